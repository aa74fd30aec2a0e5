//! `tailrace print-config`: the configuration with its defaults filled in.

use super::{ConfigArgs, Exit, file, say};

/// Prints it as YAML that can be used as a configuration, but for hidden secrets.
pub fn print_config(args: &ConfigArgs) -> Exit {
    match file::config(&args.config) {
        Ok(config) => {
            say(&crate::config::print::yaml(&config));
            Exit::Done
        }
        Err(exit) => exit,
    }
}
