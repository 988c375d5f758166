//! Files that are no TOML at all, but data: told as that, not line by line.

use std::path::Path;

/// A share of lines that look like TOML, above which a text is taken for a pipeline with mistakes.
const TOML_SHARE: f64 = 0.25;

/// What to say of a text that could not be read as TOML everywhere; `None`: it is TOML with mistakes.
pub fn instead(path: &Path, text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = lines.clone().next()?;
    let (count, like_toml) = (lines.clone().count(), lines.clone().filter(|line| is_like_toml(line)).count());
    if is_like_toml(first) || like_toml as f64 > TOML_SHARE * count as f64 {
        return None;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let recording = |codec: &str| {
        format!("a pipeline names such a file in [source.file], as path = \"{name}\" and codec = \"{codec}\"")
    };
    let second = lines.nth(1);
    let (what, advice) = if first.starts_with(['{', '[']) {
        match text.contains("\"FeatureCollection\"") {
            true => ("GeoJSON", format!("a pipeline names such a file in [operator.geofence], as zones = \"{name}\"")),
            false => ("JSON", recording("json")),
        }
    } else if first.starts_with(['$', '!']) {
        ("NMEA", recording("nmea"))
    } else if let Some(second) = second
        && [',', ';', '\t']
            .iter()
            .any(|delimiter| first.matches(*delimiter).count().min(second.matches(*delimiter).count()) > 0)
    {
        ("CSV", recording("csv"))
    } else {
        ("not TOML", "a pipeline is a TOML file; docs/CONFIG.md says what stands in it".to_owned())
    };
    Some(format!("this is {what}, and no pipeline; {advice}"))
}

/// A header, or a key and an equals sign.
fn is_like_toml(line: &str) -> bool {
    let is_key = |text: &str| {
        let text = text.trim();
        !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-.\"' ".contains(c))
    };
    if let Some(header) = line.strip_prefix('[') {
        return is_key(header.split(']').next().unwrap_or_default().trim_start_matches('['));
    }
    line.split_once('=').is_some_and(|(key, _)| is_key(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let what = instead(Path::new("data/own.txt"), text);
        let kind = what.as_deref().map(|what| what.split(", and no pipeline; ").next().unwrap_or_default());
        assert_eq!(kind, expected.map(|kind| format!("this is {kind}")).as_deref(), "{text}");
    }

    #[test]
    fn data_is_told_from_a_pipeline_with_mistakes() {
        check(&"id,ts,lat,lon\n".repeat(300), Some("CSV"));
        check("id;ts;lat;lon\na;1;2;3\n", Some("CSV"));
        check("{\"id\": \"a\", \"note\": \"a=b\"}\n{\"id\": \"b\"}\n", Some("JSON"));
        check("[\n  {\"id\": \"a\"}\n]", Some("JSON"));
        check("{\"type\": \"FeatureCollection\", \"features\": []}", Some("GeoJSON"));
        check("$GPGGA,1,2,3\n$GPRMC,1\n", Some("NMEA"));
        check("name: fleet\nsource:\n  udp: 1\n", Some("not TOML"));
        check("", None);
        check("# fleet\nname = \"fleet\nfoo\nbar\nbaz\n", None);
        check("[engine\nshards = 2\n", None);
        check("name = fleet\n[[source]]\n[source.udp]\nlisten 1\n", None);
    }
}
