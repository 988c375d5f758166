//! Trackers and receivers from their bytes to the lake, through the real binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const LOGIN: &[u8] = b"\0\x0F352093086403655";
/// Teltonika's own example of codec 8 over TCP, one record: external power (66) 24079 mV, movement (1), signal (21) 3.
const PACKET: &str = "000000000000003608010000016B40D8EA30010000000000000000000000000000000105021503010101425E0F01F10000601A014E0000000000000000010000C7CF";
const COLUMNS: &str = r#"
[source.teltonika]
keep = ["priority"]
io = { moving = { id = 1, type = "bool" }, signal = 21, power_v = { id = 66, unit = "mV" }, none = 7 }
"#;
const QUERY: &str =
    "select vehicle_id, event_time, source, priority, moving, signal, power_v, \"none\" from history order by source";

fn packet() -> Vec<u8> {
    (0..PACKET.len()).step_by(2).map(|at| u8::from_str_radix(&PACKET[at..at + 2], 16).expect("hex")).collect()
}

fn query(data: &Path, sql: &str) -> String {
    let data = data.to_str().expect("UTF-8");
    let output = Command::new(env!("CARGO_BIN_EXE_rhumb"))
        .args(["query", "--data", data, "--format", "csv", sql])
        .output()
        .expect("rhumb runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A run that is stopped when the test ends, however it ends.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn elements_of_recorded_trackers_reach_the_history_from_one_file_and_from_merged_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("one.bin"), [LOGIN, &packet()].concat()).expect("a recording");
    for name in ["a", "b"] {
        std::fs::write(folder.path().join(format!("many-{name}.bin")), packet()).expect("a recording");
    }
    let source = |name: &str, path: &str| {
        format!("[[source]]\nname = \"{name}\"\n[source.file]\npath = \"{path}\"\ncodec = \"teltonika\"\n{COLUMNS}")
    };
    let window = "[[operator]]\n[operator.window]\nname = \"power\"\nevery = \"1m\"\nkey = [\"vehicle_id\"]\n\
                  aggregates = { most = \"max(power_v)\" }\n";
    let toml = format!(
        "name = \"fleet\"\ndata = \"data\"\n{}{}{window}",
        source("many", "many-*.bin"),
        source("one", "one.bin")
    );
    let pipeline = folder.path().join("fleet.toml");
    std::fs::write(&pipeline, toml).expect("a pipeline");
    let run = Command::new(env!("CARGO_BIN_EXE_rhumb"))
        .args(["run", pipeline.to_str().expect("UTF-8"), "--until-end"])
        .output()
        .expect("rhumb runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let rows = query(&folder.path().join("data"), QUERY);
    let mut vehicles = Vec::new();
    for row in rows.lines().skip(1) {
        let (vehicle, rest) = row.split_once(',').expect("columns");
        assert!(rest.starts_with("2019-06-10T10:04:46"), "{row}");
        assert!(rest.ends_with(",1,true,3,24.079,") || rest.ends_with(",1,true,3,24.079000000000001,"), "{row}");
        vehicles.push(vehicle);
    }
    vehicles.sort_unstable();
    assert_eq!(vehicles, ["352093086403655", "many-a", "many-b"]);
    let windows = query(&folder.path().join("data"), "select count(*), round(max(most), 3) from windows_power");
    assert!(windows.contains("3,24.079"), "{windows}");
}

#[test]
fn device_on_tcp_is_answered_and_its_frame_is_in_the_lake() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipeline = folder.path().join("fleet.toml");
    let toml = format!(
        "name = \"fleet\"\ndata = \"data\"\n[engine]\nepoch = \"1s\"\n[[source]]\nname = \"trackers\"\n[source.tcp]\n\
         listen = \"127.0.0.1:0\"\ncodec = \"teltonika\"\n{COLUMNS}"
    );
    std::fs::write(&pipeline, toml).expect("a pipeline");
    let child = Command::new(env!("CARGO_BIN_EXE_rhumb"))
        .args(["run", pipeline.to_str().expect("UTF-8")])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rhumb runs");
    let mut run = Run(child);
    // It says which port the kernel gave it.
    let mut said = BufReader::new(run.0.stderr.take().expect("its messages"));
    let port: u16 = loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).expect("a message") > 0, "rhumb has stopped");
        if line.contains("listening for connections") {
            let after = line.split("127.0.0.1:").nth(1).expect("an address");
            break after.chars().take_while(char::is_ascii_digit).collect::<String>().parse().expect("a port");
        }
    };
    let mut device = TcpStream::connect(("127.0.0.1", port)).expect("rhumb listens");
    let mut answer = [0; 4];
    device.write_all(LOGIN).expect("a login");
    device.read_exact(&mut answer[..1]).expect("an answer");
    assert_eq!(answer[0], 1);
    device.write_all(&packet()).expect("a packet");
    device.read_exact(&mut answer).expect("an acknowledgement");
    assert_eq!(answer, [0, 0, 0, 1]);
    let stopped = Command::new("kill").args(["-INT", &run.0.id().to_string()]).status().expect("kill runs");
    assert!(stopped.success() && run.0.wait().expect("a status").success());
    let rows = query(&folder.path().join("data"), QUERY);
    assert!(
        rows.contains("352093086403655,2019-06-10T10:04:46") && rows.contains(",trackers,1,true,3,24.079"),
        "{rows}"
    );
}

#[test]
fn columns_of_json_and_csv_reach_filters_windows_trips_and_the_history() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    write(
        "phones.json",
        r#"{"id":"a","ts":1767592800,"lat":30,"lon":-97,"ignition":true,"tank":{"fuel":12.5},"fleet":"red"}
{"id":"a","ts":1767592860,"lat":30,"lon":-97,"ignition":false,"tank":{"fuel":12},"fleet":"red"}
{"id":"b","ts":1767592800,"lat":31,"lon":-97,"ignition":"yes","tank":{"fuel":"full"}}
{"id":"c","ts":1767592800,"lat":32,"lon":-97,"fleet":"red"}
"#,
    );
    write(
        "vans.csv",
        "id,ts,lat,lon,fleet,ignition,fuel\nd,1767592800,33,-97,red,1,40\ne,1767592800,34,-97,blue,0,50\n",
    );
    let source = |name: &str, path: &str, codec: &str, fuel: &str| {
        format!(
            "[[source]]\nname = \"{name}\"\n[source.file]\npath = \"{path}\"\ncodec = \"{codec}\"\n[source.fields]\n\
             extra = {{ ignition = \"bool\", fuel_l = {{ type = \"float\", field = \"{fuel}\" }}, fleet = \"text\" }}\n"
        )
    };
    let operators = "[[operator]]\n[operator.filter]\nwhere = \"ignition\"\n\
                     [[operator]]\n[operator.trips]\nignition = \"ignition\"\n\
                     [[operator]]\n[operator.window]\nname = \"fuel\"\nevery = \"1h\"\nkey = [\"fleet\"]\n\
                     aggregates = { most = \"max(fuel_l)\" }\n";
    let (phones, vans) =
        (source("phones", "phones.json", "json", "tank.fuel"), source("vans", "vans.csv", "csv", "fuel"));
    write("fleet.toml", &format!("name = \"fleet\"\ndata = \"data\"\n{phones}{vans}{operators}"));
    let run = Command::new(env!("CARGO_BIN_EXE_rhumb"))
        .args(["run", "fleet.toml", "--until-end", "--summary", "summary.json"])
        .current_dir(&folder)
        .output()
        .expect("rhumb runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let data = folder.path().join("data");
    let history = "select vehicle_id, ignition, fuel_l, fleet from history order by vehicle_id";
    assert_eq!(
        query(&data, history).lines().skip(1).collect::<Vec<_>>(),
        ["a,true,12.5,red", "b,true,,", "d,true,40.0,red"]
    );
    let rejects = query(&data, "select reason, count(*) from rejects group by reason");
    assert!(rejects.contains("filter,3"), "{rejects}");
    let windows = query(&data, "select fleet, most from windows_fuel order by fleet");
    assert_eq!(windows.lines().skip(1).collect::<Vec<_>>(), ["red,40.0", ","]);
    let summary = std::fs::read_to_string(folder.path().join("summary.json")).expect("a summary");
    assert!(summary.contains("\"fuel_l_unreadable\": 1") || summary.contains("\"fuel_l_unreadable\":1"), "{summary}");
}
