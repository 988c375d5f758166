//! What the `rhumb` command is made of: configuration, and a file for each subcommand.

pub mod build;
pub mod commands;
pub mod config;
pub mod terminal;
pub mod testing;
