//! Tables for a terminal and for `grep`: columns with two spaces between, numbers to the right. Pure.

/// A heading and rows, one line each; every row as long as the heading.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    // A name with a line break in it is no line of its own.
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| cell.replace('\n', "\\n")).collect()).collect();
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let cells = |at: usize| rows.iter().filter_map(move |row| row.get(at));
    let width =
        |at: usize, head: &str| cells(at).map(|cell| cell.chars().count()).fold(head.chars().count(), usize::max);
    let columns: Vec<(usize, bool)> =
        heads.iter().enumerate().map(|(at, head)| (width(at, head), cells(at).all(|cell| is_number(cell)))).collect();
    let mut text = String::new();
    for row in std::iter::once(&heads).chain(&rows) {
        let mut line = String::new();
        for (cell, (width, right)) in row.iter().zip(&columns) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            line.push_str(&if *right { format!("{cell:>width$}") } else { format!("{cell:<width$}") });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn is_number(cell: &str) -> bool {
    cell == "-" || (!cell.is_empty() && cell.chars().all(|c| c.is_ascii_digit() || c == ','))
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_names_to_the_left() {
        let rows = [["search", "1,234", "/a"], ["s3", "-", "/longer"]];
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|c| (*c).to_owned()).collect()).collect();
        assert_eq!(
            table(&["output", "left", "path"], &rows),
            "output   left  path\nsearch  1,234  /a\ns3          -  /longer\n"
        );
    }

    #[test]
    fn a_number_has_a_comma_every_three_digits() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
