//! Sources of which nothing could be decoded: mostly their codec is another one.

use crate::build;
use crate::config::{Checked, SourceKind, SourceMeans};
use rhumb_connectors::codec::decode::Transport;
use rhumb_connectors::codec::likely::{Sampled, likely};
use rhumb_connectors::file;
use rhumb_engine::run::{Summary, Undecodable};

/// What to say of each source that gave input and not one frame, by name; and whether that is all the input there was.
pub fn find<'a>(checked: &'a Checked, summary: &Summary) -> (Vec<(&'a str, String)>, bool) {
    let (mut told, mut records) = (Vec::new(), 0);
    for source in &checked.sources {
        let came = summary.totals.frames_in.get(&source.name).copied().unwrap_or(0);
        let Some(undecodable) = summary.undecodable.get(&source.name).filter(|u| u.count == came) else { continue };
        let codec = source.codec.kind.name();
        let advice = match codec_of(source, undecodable) {
            Some(other) => format!("it looks like {other}: write codec = \"{other}\""),
            None => format!("check that it is {codec}, and what its fields are called"),
        };
        let what = format!(
            "nothing could be decoded with codec {codec}, {came} records were rejected, the first because: {}; {advice}",
            undecodable.first
        );
        told.push((source.name.as_str(), what));
        records += came;
    }
    (told, records > 0 && records == summary.totals.frames())
}

/// The codec that the input seems to be written for.
fn codec_of(source: &SourceMeans, undecodable: &Undecodable) -> Option<&'static str> {
    let chosen = build::codec(&source.codec).ok()?;
    match &source.kind {
        SourceKind::File(means) => {
            let head = file::head(means.files.first()?).ok()?;
            likely(&chosen, &Sampled { bytes: &head.bytes, whole: head.whole, transport: Transport::Tcp })
        }
        _ => {
            let transport = if source.has_datagrams() { Transport::Udp } else { Transport::Tcp };
            likely(&chosen, &Sampled { bytes: &undecodable.raw, whole: true, transport })
        }
    }
}
