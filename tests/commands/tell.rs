//! A command's whole run: what it said, and how it ended.

use crate::support::Place;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tailrace::standin::Keys;

pub struct Told {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Told {
    /// Everything, for the message of a failed assertion.
    pub fn all(&self) -> String {
        format!("exit {}\n{}\n{}", self.code, self.out, self.err)
    }
    /// Ended with this code.
    pub fn ended(self, code: i32) -> Told {
        assert_eq!(self.code, code, "{}", self.all());
        self
    }
    /// The row that begins with this word, cell by cell.
    pub fn row(&self, first: &str) -> Vec<String> {
        let line = self.out.lines().find(|line| line.split_whitespace().next() == Some(first));
        let line = line.unwrap_or_else(|| panic!("no row {first}: {}", self.all()));
        line.split_whitespace().map(str::to_owned).collect()
    }
}

fn command(place: &Place, args: &[&str]) -> Command {
    let keys = Keys::demo();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailrace"));
    command.args(args).current_dir(place.path()).env_clear().stdin(Stdio::null());
    command.env("HOME", place.path()).env("AWS_EC2_METADATA_DISABLED", "true").env("NODE_NAME", "n");
    command.env("AWS_ACCESS_KEY_ID", keys.access).env("AWS_SECRET_ACCESS_KEY", keys.secret);
    command
}

/// Runs it to its end.
pub fn tell(place: &Place, args: &[&str]) -> Told {
    tell_with(place, args, &[])
}

/// The same with further variables; an empty value takes one away.
pub fn tell_with(place: &Place, args: &[&str], env: &[(&str, &str)]) -> Told {
    let mut command = command(place, args);
    for (name, value) in env {
        if value.is_empty() {
            command.env_remove(name)
        } else {
            command.env(name, value)
        };
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// Starts it, to be killed.
pub fn begin(place: &Place, args: &[&str]) -> Child {
    command(place, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A path as an argument.
pub fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}
