//! The real zone files load, and answers over them are those of `geo`.

mod common;

use common::{assert_all_agree, name_of, options_for, points, real_files, text_of};
use expect_test::expect;
use rhumb_geofence::{What, ZoneOptions, Zones};

#[test]
fn answers_on_real_zones_are_those_of_geo() {
    for path in real_files() {
        let (zones, _) = Zones::from_geojson(&text_of(&path), &options_for(&path)).expect("a usable file");
        let (lat, lon) = points(&zones, 2_000, 8, 7);
        let hits = assert_all_agree(&zones, &lat, &lon);
        assert!(hits > 100, "{}: {hits} hits", path.display());
    }
}

#[test]
fn real_files_load_with_the_warnings_that_the_documentation_names() {
    let files = real_files();
    if files.is_empty() {
        return;
    }
    let mut summary = String::new();
    for path in files {
        let (zones, problems) = Zones::from_geojson(&text_of(&path), &options_for(&path)).expect("a usable file");
        summary += &format!("{} {} zones\n", name_of(&path), zones.len());
        for problem in &problems {
            summary += &format!("  {}: {problem}\n", problem.line.unwrap_or_default());
        }
    }
    expect![[r#"
        austin_neighborhoods 70 zones
          1: features without an id: 70; each is called by its index in the file, which changes when the file does: set id_property = "name", which differs for all features
        california_counties 58 zones
          1: feature 39 (id "39"): ring 0 of polygon 2 crosses itself near (37.455854, -121.927832) (crossings in all: 1): every part that it goes around counts as inside; redraw it if that is not meant
          1: features without an id: 58; each is called by its index in the file, which changes when the file does: set id_property = "name", which differs for all features
        georust_geo_fixtures 7 zones
          1: features without an id: 7; each is called by its index in the file, which changes when the file does: set id_property = "name", which differs for all features
        georust_nl_plots 316 zones
          1: features without an id: 316; each is called by its index in the file, which changes when the file does: set id_property = "idx", which differs for all features
        georust_nl_zones 91 zones
          1: feature 88 (id "88"): ring 0 of polygon 0 crosses itself near (52.329611, 5.541008) (crossings in all: 1): every part that it goes around counts as inside; redraw it if that is not meant
          1: features without an id: 91; each is called by its index in the file, which changes when the file does: set id_property = "idx", which differs for all features
        italy_regions 20 zones
          1: features without an id: 20; each is called by its index in the file, which changes when the file does: set id_property = "name", which differs for all features
        nyc_boroughs 5 zones
          1: features without an id: 5; each is called by its index in the file, which changes when the file does: set id_property = "name", which differs for all features
        nyc_taxi_zones 263 zones
          1: features without an id: 263; each is called by its index in the file, which changes when the file does: set id_property = "OBJECTID", which differs for all features
        oakland_neighborhoods 131 zones
          1: features without an id: 131; each is called by its index in the file, which changes when the file does: set id_property = "name", which differs for all features
        oklahoma_cities 43 zones
          1: feature 0 (id "0"): holes of polygon 0 outside its shell: 2, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 1 (id "1"): holes of polygon 0 outside its shell: 12, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 2 (id "2"): holes of polygon 0 outside its shell: 4, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 3 (id "3"): holes of polygon 0 outside its shell: 4, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 4 (id "4"): holes of polygon 0 outside its shell: 1, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 5 (id "5"): holes of polygon 0 outside its shell: 34, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 6 (id "6"): holes of polygon 0 outside its shell: 4, the first is ring 8; they cut nothing out: check whether they belong to another polygon
          1: feature 9 (id "9"): holes of polygon 0 outside its shell: 1, the first is ring 2; they cut nothing out: check whether they belong to another polygon
          1: feature 10 (id "10"): holes of polygon 0 outside its shell: 5, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 13 (id "13"): holes of polygon 0 outside its shell: 11, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 14 (id "14"): holes of polygon 0 outside its shell: 22, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 15 (id "15"): holes of polygon 0 outside its shell: 4, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 16 (id "16"): holes of polygon 0 outside its shell: 29, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 17 (id "17"): holes of polygon 0 outside its shell: 5, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 18 (id "18"): holes of polygon 0 outside its shell: 1, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 20 (id "20"): holes of polygon 0 outside its shell: 2, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 21 (id "21"): holes of polygon 0 outside its shell: 11, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 23 (id "23"): holes of polygon 0 outside its shell: 6, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 24 (id "24"): holes of polygon 0 outside its shell: 1, the first is ring 4; they cut nothing out: check whether they belong to another polygon
          1: feature 26 (id "26"): holes of polygon 0 outside its shell: 1, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 30 (id "30"): holes of polygon 0 outside its shell: 29, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 31 (id "31"): holes of polygon 0 outside its shell: 4, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 35 (id "35"): holes of polygon 0 outside its shell: 9, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: feature 37 (id "37"): holes of polygon 0 outside its shell: 1, the first is ring 1; they cut nothing out: check whether they belong to another polygon
          1: features without an id: 43; each is called by its index in the file, which changes when the file does: set id_property = "name", which differs for all features
        rome_rioni 22 zones
          1: features without an id: 22; each is called by its index in the file, which changes when the file does: set id_property = "name", which differs for all features
        san_jose_neighborhoods 18 zones
          1: feature 0 (id "0"): polygon 3 lies inside polygon 2 and adds nothing: write it as a hole (a further ring) if it is meant to be cut out
          1: features without an id: 18; each is called by its index in the file, which changes when the file does: set id_property = "name", which differs for all features
        sf_neighborhoods 37 zones
          1: features without an id: 37; each is called by its index in the file, which changes when the file does: set id_property = "name", which differs for all features
        silicon_valley_cities 36 zones
          1: features without an id: 36; each is called by its index in the file, which changes when the file does: set id_property = "name", which differs for all features
        swiss_cantons 26 zones
          1: features without an id: 26; each is called by its index in the file, which changes when the file does: set id_property = "name", which differs for all features
        uk_regions 9 zones
          1: features without an id: 9; each is called by its index in the file, which changes when the file does: set id_property = "name", which differs for all features
        us_counties_10m 3231 zones
          1: feature 272 (id "02105"): ring 0 of polygon 5 is dropped: without repeats it has 0 positions, a ring needs 3 and the first again
          1: feature 393 (id "02100"): ring 1 of polygon 1 is dropped: without repeats it has 0 positions, a ring needs 3 and the first again
          1: feature 471 (id "51750"): ring 1 of polygon 0 is dropped: without repeats it has 0 positions, a ring needs 3 and the first again
          1: feature 629 (id "51610"): ring 0 of polygon 0 is dropped: without repeats it has 2 positions, a ring needs 3 and the first again
          1: feature 629 (id "51610"): nothing is left of its shape, so no vehicle will ever be in it: draw it again or remove it
          1: feature 914 (id "51620"): ring 0 of polygon 0 crosses itself near (36.682979, -76.924039) (crossings in all: 1): every part that it goes around counts as inside; redraw it if that is not meant
          1: feature 915 (id "08005"): ring 0 of polygon 0 is dropped: without repeats it has 0 positions, a ring needs 3 and the first again
          1: feature 984 (id "51121"): ring 0 of polygon 0 is dropped: without repeats it has 0 positions, a ring needs 3 and the first again
          1: feature 1106 (id "10003"): ring 0 of polygon 0 is dropped: without repeats it has 2 positions, a ring needs 3 and the first again
          1: feature 1286 (id "45077"): ring 0 of polygon 0 is dropped: without repeats it has 2 positions, a ring needs 3 and the first again
          1: feature 1303 (id "51093"): ring 0 of polygon 0 crosses itself near (36.682979, -76.924039) (crossings in all: 1): every part that it goes around counts as inside; redraw it if that is not meant
          1: feature 1407 (id "08059"): ring 0 of polygon 0 is dropped: without repeats it has 2 positions, a ring needs 3 and the first again
          1: feature 1596 (id "47185"): ring 0 of polygon 0 is dropped: without repeats it has 2 positions, a ring needs 3 and the first again
          1: feature 1649 (id "08123"): ring 0 of polygon 0 is dropped: without repeats it has 0 positions, a ring needs 3 and the first again
          1: feature 1745 (id "35043"): ring 0 of polygon 0 is dropped: without repeats it has 2 positions, a ring needs 3 and the first again
          1: feature 2028 (id "08014"): ring 0 of polygon 0 is dropped: without repeats it has 2 positions, a ring needs 3 and the first again
          1: feature 2028 (id "08014"): ring 1 of polygon 1 is dropped: without repeats it has 0 positions, a ring needs 3 and the first again
          1: feature 2028 (id "08014"): ring 2 of polygon 1 is dropped: without repeats it has 0 positions, a ring needs 3 and the first again
          1: feature 2043 (id "08031"): ring 1 of polygon 0 is dropped: without repeats it has 0 positions, a ring needs 3 and the first again
          1: feature 2044 (id "22067"): ring 0 of polygon 0 crosses itself near (32.519034, -91.904397) (crossings in all: 1): every part that it goes around counts as inside; redraw it if that is not meant
          1: feature 2047 (id "08013"): ring 0 of polygon 0 is dropped: without repeats it has 0 positions, a ring needs 3 and the first again
          1: feature 2047 (id "08013"): ring 1 of polygon 1 is dropped: without repeats it has 2 positions, a ring needs 3 and the first again
          1: feature 2056 (id "51041"): ring 0 of polygon 0 crosses itself near (37.242737, -77.383677) (crossings in all: 1): every part that it goes around counts as inside; redraw it if that is not meant
          1: feature 2083 (id "22057"): ring 0 of polygon 1 is dropped: without repeats it has 2 positions, a ring needs 3 and the first again
          1: feature 2128 (id "06075"): ring 0 of polygon 0 is dropped: without repeats it has 2 positions, a ring needs 3 and the first again
          1: feature 2714 (id "06001"): ring 0 of polygon 0 crosses itself near (37.482416, -121.471597) (crossings in all: 1): every part that it goes around counts as inside; redraw it if that is not meant
          1: feature 2796 (id "51683"): ring 1 of polygon 0 is dropped: without repeats it has 0 positions, a ring needs 3 and the first again
          1: feature 2863 (id "51153"): ring 0 of polygon 0 is dropped: without repeats it has 0 positions, a ring needs 3 and the first again
        world_countries_50m 241 zones
          1: feature 75 (id "Russia"): ring 0 of polygon 17 lies across the antimeridian: taken the short way around, from longitude 27.3512735 to 190.2709027; a zone that really is wider than half of the Earth needs vertices less than 180 degrees apart
          1: feature 75 (id "Russia"): ring 0 of polygon 28 lies across the antimeridian: taken the short way around, from longitude -181.3716137 to -177.497975; a zone that really is wider than half of the Earth needs vertices less than 180 degrees apart
          1: feature 170 (id "Fiji"): ring 0 of polygon 15 lies across the antimeridian: taken the short way around, from longitude -180.0144001 to -179.899199; a zone that really is wider than half of the Earth needs vertices less than 180 degrees apart
          1: feature 239 (id "Antarctica"): ring 0 of polygon 2 goes around the south pole: taken as all there is between it and the pole
          1: feature 239 (id "Antarctica"): ring 1 of polygon 2 goes around the south pole: taken as all there is between it and the pole
    "#]].assert_eq(&summary);
}

#[test]
fn the_file_with_two_features_of_one_id_is_refused_with_a_way_out() {
    for path in real_files().iter().filter(|p| name_of(p) == "world_countries_50m") {
        let problems = Zones::from_geojson(&text_of(path), &ZoneOptions::default()).expect_err("an id occurs twice");
        let same: Vec<_> = problems.iter().filter(|p| matches!(p.what, What::SameId { .. })).collect();
        // Australia's two; and two without an id, whose index is the id of another country.
        assert_eq!(same.len(), 3);
        expect![[r#"feature 226 (id "226"): has the same id as feature 174: give each zone its own, or set id_property = "name", which differs for all features"#]].assert_eq(&same[0].to_string());
    }
}
