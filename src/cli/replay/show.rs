//! What a replay says: a table of what became of the letters, why some stay, progress while it runs. Pure.

use crate::cli::table::{grouped, table};

/// One output's account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub output: String,
    /// Letters that were to be sent.
    pub letters: u64,
    /// Letters that it refused again.
    pub refused: u64,
    /// Letters that could not be sent.
    pub left: u64,
    /// Letters that it does not take, and that are gone.
    pub dropped: u64,
    /// Of those that were delivered: it had them before.
    pub already: u64,
    /// Records that may have arrived twice: an answer was lost.
    pub possible: u64,
    /// Why letters stay, for people.
    pub why: Vec<String>,
}

impl Row {
    /// Letters that are there now.
    pub fn delivered(&self) -> u64 {
        self.letters.saturating_sub(self.refused).saturating_sub(self.left).saturating_sub(self.dropped)
    }
}

/// The table, and below it why letters stay.
pub fn summary(rows: &[Row], strange: u64, dir: &str) -> String {
    let cells = |row: &Row| {
        let numbers = [row.letters, row.delivered(), row.already, row.refused, row.left, row.possible];
        let mut cells = vec![row.output.clone()];
        cells.extend(numbers.map(grouped));
        cells
    };
    let heads = ["output", "letters", "delivered", "already there", "refused again", "not sent", "maybe twice"];
    let mut text = table(&heads, &rows.iter().map(cells).collect::<Vec<_>>());
    for row in rows {
        row.why.iter().for_each(|why| text.push_str(&format!("{}: {why}\n", row.output)));
    }
    if strange > 0 {
        let s = if strange == 1 { " is" } else { "s are" };
        text.push_str(&format!("{} line{s} no dead letter that can be read\n", grouped(strange)));
    }
    let stays = rows.iter().map(|row| row.refused + row.left).sum::<u64>() + strange;
    if stays > 0 {
        let s = if stays == 1 { " stays" } else { "s stay" };
        text.push_str(&format!("{} line{s} in {dir}\n", grouped(stays)));
    }
    text
}

/// One line for a terminal: settled of all, by output.
pub fn progress(outputs: &[(String, u64, u64)]) -> String {
    let each = |(name, done, all): &(String, u64, u64)| format!("{name} {} of {}", grouped(*done), grouped(*all));
    outputs.iter().map(each).collect::<Vec<_>>().join("   ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_adds_up_and_says_what_stays_and_why() {
        let why = vec!["refused again: mapper_parsing_exception (2): failed to parse".to_owned()];
        let search = Row {
            output: "search".into(),
            letters: 1200,
            refused: 2,
            left: 0,
            dropped: 0,
            already: 7,
            possible: 0,
            why,
        };
        let archive = Row { output: "archive".into(), letters: 1, ..Row::default() };
        assert_eq!(
            summary(&[search, archive], 1, "/dead"),
            "output   letters  delivered  already there  refused again  not sent  maybe twice\n\
             search     1,200      1,198              7              2         0            0\n\
             archive        1          1              0              0         0            0\n\
             search: refused again: mapper_parsing_exception (2): failed to parse\n\
             1 line is no dead letter that can be read\n3 lines stay in /dead\n"
        );
    }

    #[test]
    fn progress_is_one_line() {
        assert_eq!(progress(&[("a".into(), 5, 1000), ("b".into(), 0, 1)]), "a 5 of 1,000   b 0 of 1");
    }
}
