//! Tables in Markdown, row by row as they are measured, wide enough to be read as they are.

pub struct Table {
    widths: Vec<usize>,
}

impl Table {
    pub fn new(heads: &[&str]) -> Table {
        let widths: Vec<usize> = heads.iter().map(|head| head.len().max(10)).collect();
        let table = Table { widths };
        table.row(&heads.iter().map(|h| (*h).to_string()).collect::<Vec<_>>());
        let rule: Vec<String> = table.widths.iter().map(|w| "-".repeat(*w)).collect();
        println!("|-{}-|", rule.join("-|-"));
        table
    }
    pub fn row(&self, cells: &[String]) {
        let padded: Vec<String> = cells.iter().zip(&self.widths).map(|(cell, w)| format!("{cell:<w$}")).collect();
        println!("| {} |", padded.join(" | "));
    }
}
