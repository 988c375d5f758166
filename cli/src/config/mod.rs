//! A pipeline's TOML in three steps: what was typed (`typed`), what is wrong with it (`check`), what it means
//! (`means`). What there is to type is data (`describe`), from which `document` writes `docs/CONFIG.md`.

mod check;
mod describe;
mod document;
mod expected;
mod explain;
mod flood;
mod foreign;
mod means;
mod misspelt;
mod mistake;
mod place;
mod ready;
mod rows;
mod typed;
mod value;

pub use document::document;
pub use expected::{Expected, Found, TestFrame, TestInput, TestMeans, Want};
pub use explain::{explain, zone_rules};
pub use flood::{and_more, capped};
pub use means::*;
pub use misspelt::misspelt_settings;
pub use mistake::{Location, Mistake, Severity};
pub use place::{Place, PlaceZones, place};
pub use ready::ready;
pub use typed::Env;
pub use value::{Secret, ValueKind};

use mistake::{Mistakes, Text};
use std::path::Path;
use std::sync::Arc;

/// Reads and checks a pipeline's file: what it means, with the warnings; or everything that is wrong with it, at least
/// one error, with the warnings. By place.
///
/// Files that it names are read too. Nothing is written, made or opened for writing.
pub fn load(path: &Path, env: Env) -> Result<(Checked, Vec<Mistake>), Vec<Mistake>> {
    load_from(path, &read(path)?, env)
}

/// As `load`, of a text that would stand at `path`.
pub fn load_text(path: &Path, content: String, env: Env) -> Result<(Checked, Vec<Mistake>), Vec<Mistake>> {
    load_from(path, &Arc::new(Text { name: path.display().to_string(), content }), env)
}

fn read(path: &Path) -> Result<Arc<Text>, Vec<Mistake>> {
    let name = path.display().to_string();
    let content = std::fs::read(path).map_err(|cause| check::reason(&cause)).and_then(check::text);
    content.map(|content| Arc::new(Text { name: name.clone(), content })).map_err(|why| {
        let text = Arc::new(Text { name: name.clone(), ..Text::default() });
        let mut mistakes = Mistakes::default();
        mistakes.error(&Location::new(&text, 0..0), "pipeline", format!("cannot read the file: {why}"));
        mistakes.sorted(&name)
    })
}

fn load_from(path: &Path, text: &Arc<Text>, env: Env) -> Result<(Checked, Vec<Mistake>), Vec<Mistake>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let name = path.display().to_string();
    let typed = typed::read(text, check::folder(path), env);
    if typed.damaged {
        if let Some(what) = foreign::instead(path, &text.content) {
            let mut mistakes = Mistakes::default();
            mistakes.error(&Location::new(text, 0..0), "pipeline", what);
            return Err(mistakes.sorted(&name));
        }
        // What is not there may have been typed: only what was read for certain is told.
        return Err(typed.mistakes.sorted(&name));
    }
    match check::check(typed, path, cores) {
        (Some(checked), mistakes) => Ok((checked, mistakes.sorted(&name))),
        (None, mistakes) => Err(mistakes.sorted(&name)),
    }
}
