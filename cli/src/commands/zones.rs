//! `rhumb zones`: what is wrong with a file of zones, what is in it, which of them hold a point.

use super::{Exit, count_of_mistakes, print_line, usage};
use crate::config::{and_more, capped, misspelt_settings};
use anyhow::Context;
use rhumb_connectors::file::Unpacked;
use rhumb_geofence::{Position, Problem, Severity, Shape, ZoneOptions, Zones as ZoneSet};
use rhumb_operators::geofence::ZoneRules;
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Zones {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Say all that is wrong with it, or may surprise
    Check(File),
    /// List its zones, one a line: id, shape, vertices, bounds (west south east north), properties; tabs between
    Show(File),
    /// Say which zones hold points
    At(At),
}

#[derive(clap::Args)]
struct File {
    /// GeoJSON, plain or packed with gzip or zstd
    file: PathBuf,
    /// Property that holds the id of a zone
    #[arg(long)]
    id_property: Option<String>,
}

#[derive(clap::Args)]
struct At {
    #[command(flatten)]
    zones: File,
    /// CSV with a header that names columns lat and lon; each line is printed with the column zone_ids added
    #[arg(conflicts_with_all = ["lat", "lon"])]
    points: Option<PathBuf>,
    #[arg(long, requires = "lon", allow_negative_numbers = true)]
    lat: Option<f64>,
    #[arg(long, requires = "lat", allow_negative_numbers = true)]
    lon: Option<f64>,
}

impl Zones {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self.what {
            What::Check(file) => Ok(match file.load()? {
                Some(zones) => {
                    file.say_misspelt(&zones);
                    let wrong = file.say_wrong_settings(&zones);
                    if wrong > 0 {
                        crate::terminal::say(format_args!("{}: {}", file.file.display(), count_of_mistakes(wrong)));
                        return Ok(Exit::Configuration);
                    }
                    let stats = zones.stats();
                    crate::terminal::say(format_args!(
                        "{}: ok: {} zones, {} vertices, {} bytes of index",
                        file.file.display(),
                        zones.len(),
                        stats.vertices,
                        stats.index_bytes
                    ));
                    Exit::Done
                }
                None => Exit::Configuration,
            }),
            What::Show(file) => match file.load()? {
                Some(zones) => show(&zones),
                None => Ok(Exit::Configuration),
            },
            What::At(at) => match at.zones.load()? {
                Some(zones) => at.answer(&zones),
                None => Ok(Exit::Configuration),
            },
        }
    }
}

impl File {
    /// The zones, or `None` after saying all that is wrong with them.
    fn load(&self) -> anyhow::Result<Option<ZoneSet>> {
        let mut text = String::new();
        let read = Unpacked::open(&self.file).and_then(|mut file| file.read_to_string(&mut text));
        read.with_context(|| format!("read zones from {}", self.file.display()))?;
        let options = ZoneOptions { id_property: self.id_property.clone() };
        let (zones, problems) = match ZoneSet::from_geojson(&text, &options) {
            Ok((zones, warnings)) => (Some(zones), warnings),
            Err(problems) => (None, problems),
        };
        let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
        for (problem, more) in capped(problems, |problem| std::mem::discriminant(&problem.what)) {
            crate::terminal::say(format_args!("{}{}", self.line(&problem), and_more(more)));
        }
        if zones.is_none() {
            crate::terminal::say(format_args!("{}: {}", self.file.display(), count_of_mistakes(errors)));
        }
        Ok(zones)
    }

    /// Properties that are nearly settings.
    fn say_misspelt(&self, zones: &ZoneSet) {
        for ((zone, what), more) in capped(misspelt_settings(zones), |(_, what)| what.clone()) {
            let (line, column) = zones.zone(zone as u32).place;
            let (file, id) = (self.file.display(), zones.id(zone as u32));
            crate::terminal::say(format_args!(
                "{file}:{line}:{column}: warning: feature {zone} (id {id:?}): {what}{}",
                and_more(more)
            ));
        }
    }

    /// Properties that are settings and cannot be taken as such; says how many.
    fn say_wrong_settings(&self, zones: &ZoneSet) -> usize {
        let rules = ZoneRules::plain();
        let wrong = |(number, zone)| rules.of_zone(zone).err().into_iter().flatten().map(move |what| (number, what));
        let all: Vec<(usize, String)> = zones.iter().enumerate().flat_map(wrong).collect();
        let count = all.len();
        for ((number, what), more) in capped(all, |(_, what)| what.clone()) {
            let ((line, column), id) = (zones.zone(number as u32).place, zones.id(number as u32));
            let (file, more) = (self.file.display(), and_more(more));
            crate::terminal::say(format_args!(
                "{file}:{line}:{column}: error: feature {number} (id {id:?}): {what}{more}"
            ));
        }
        count
    }

    fn line(&self, problem: &Problem) -> String {
        let severity = problem.severity;
        let place = match (problem.line, problem.column) {
            (Some(line), Some(column)) => format!(":{line}:{column}"),
            (Some(line), None) => format!(":{line}"),
            _ => String::new(),
        };
        format!("{}{place}: {severity}: {problem}", self.file.display())
    }
}

fn show(zones: &ZoneSet) -> anyhow::Result<Exit> {
    for zone in zones.iter() {
        let shape = zone.shape.kind();
        let vertices = match &zone.shape {
            Shape::Circle(_) => 1,
            Shape::Corridor(corridor) => corridor.vertex_count(),
            Shape::Polygons(polygons) => {
                let rings = polygons.iter().flat_map(|p| std::iter::once(&p.shell).chain(&p.holes));
                rings.map(|ring| ring.vertices().len()).sum()
            }
        };
        let [west, south, east, north] = zone.shape.around();
        let properties = serde_json::Value::from(zone.attributes.clone());
        let bounds = format!("{west:.6} {south:.6} {east:.6} {north:.6}");
        if !print_line(&format!("{}\t{shape}\t{vertices}\t{bounds}\t{properties}", zone.id))? {
            break;
        }
    }
    Ok(Exit::Done)
}

impl At {
    fn answer(&self, zones: &ZoneSet) -> anyhow::Result<Exit> {
        match (&self.points, self.lat.zip(self.lon)) {
            (Some(path), _) => at_points(zones, path),
            (None, Some((lat, lon))) => {
                let mut found = Vec::new();
                let at = match Position::new(lat, lon) {
                    Ok(at) => at,
                    Err(cause) => return Ok(usage(cause)),
                };
                zones.containing(at, &mut found);
                for zone in found {
                    print_line(zones.id(zone))?;
                }
                Ok(Exit::Done)
            }
            (None, None) => Ok(usage("say which points: a CSV file, or --lat and --lon")),
        }
    }
}

fn at_points(zones: &ZoneSet, path: &Path) -> anyhow::Result<Exit> {
    let reading = || format!("read {}", path.display());
    let mut reader = csv::Reader::from_path(path).with_context(reading)?;
    let header = reader.headers().with_context(reading)?.clone();
    let column = |names: &[&str]| {
        let found = names.iter().find_map(|name| header.iter().position(|h| h.trim().eq_ignore_ascii_case(name)));
        found.with_context(|| {
            format!(
                "{}: no column {}; the columns are {}",
                path.display(),
                names[0],
                header.iter().collect::<Vec<_>>().join(", ")
            )
        })
    };
    let (lat, lon) = (column(&["lat", "latitude"])?, column(&["lon", "lng", "longitude"])?);
    let mut out = csv::Writer::from_writer(std::io::stdout());
    out.write_record(header.iter().chain(["zone_ids"]))?;
    let mut found = Vec::new();
    for record in reader.records() {
        let record = record.with_context(reading)?;
        let line = record.position().map_or(0, |p| p.line());
        let degrees = |at: usize| {
            let text = record.get(at).unwrap_or_default();
            text.trim().parse::<f64>().with_context(|| format!("{}:{line}: not a number: {text:?}", path.display()))
        };
        let at = Position::new(degrees(lat)?, degrees(lon)?).with_context(|| format!("{}:{line}", path.display()))?;
        zones.containing(at, &mut found);
        let ids = found.iter().map(|zone| zones.id(*zone)).collect::<Vec<_>>().join(" ");
        out.write_record(record.iter().chain([ids.as_str()]))?;
    }
    out.flush()?;
    Ok(Exit::Done)
}
