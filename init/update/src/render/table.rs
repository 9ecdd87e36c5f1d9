//! Columns that line up.

/// Between two columns.
const GAP: &str = "  ";

/// `rows` with every column as wide as its widest cell; the last one is not padded.
///
/// A cell's width is its number of characters: names and states are ASCII. Rows may be of
/// different length.
pub fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<_> = (0..columns).map(|column| width(rows, column)).collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn width(rows: &[Vec<String>], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    cells
        .map(|cell| cell.chars().count())
        .max()
        .unwrap_or_default()
}

fn line(row: &[String], widths: &[usize]) -> String {
    let padded = row.iter().zip(widths);
    let cells: Vec<_> = padded
        .map(|(cell, width)| format!("{cell:<width$}"))
        .collect();
    format!("{}\n", cells.join(GAP).trim_end())
}

#[cfg(test)]
mod tests {
    use super::align;

    #[test]
    fn columns_line_up_without_trailing_spaces() {
        let rows = [vec!["a", "", "c"], vec!["longer", "b"], vec![]];
        let rows = rows.map(|row| row.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(align(&rows), "a          c\nlonger  b\n\n");
        assert_eq!(align(&[]), "");
    }
}
