//! What `limit` saves: the ten greatest of many aggregates, selected beside sorted. (Loops over arrays of numbers and
//! strings leave them sorted, so these are sorted anyway.)
//!
//! `cargo measure top_elements` builds ntap as it is given away and prints Markdown.

use std::process::Command;

use measure::median;

/// Fills an array and takes the greatest elements in two ways; prints the nanoseconds of each round.
const SCRIPT: &str = "
global a[200000]
probe begin {
    n = 1
    for (i = 0; i < $1; i++) {
        n = (n * 1103515245 + 12345) & 0x7fffffff
        a[i] <<< n
    }
    for (round = 0; round < 21; round++) {
        start = gettimeofday_ns(); sum = 0
        foreach (k in a @sum- limit 10) sum += @sum(a[k])
        middle = gettimeofday_ns(); other = 0; count = 0
        foreach (k in a @sum-) { other += @sum(a[k]); if (++count == 10) break }
        end = gettimeofday_ns()
        printf(\"%d %d %d\\n\", middle - start, end - middle, sum == other)
    }
    exit()
}";

fn main() {
    let ntap = &measure::ntap();
    measure::go_first();
    measure::print_machine();
    measure::table(&["elements", "`limit 10`, ms", "all sorted, ms", "ratio"]);
    for elements in ["1000", "10000", "100000"] {
        let mut command = Command::new(ntap);
        command.args(["-D", "MAXACTION_INTERRUPTIBLE=1000000000", "-e", SCRIPT, elements]);
        let output = command.output().expect("ntap starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let rows: Vec<Vec<f64>> = text
            .lines()
            .map(|line| line.split(' ').map(|n| n.parse().expect("a number")).collect())
            .collect();
        assert_eq!(rows.len(), 21, "{}", String::from_utf8_lossy(&output.stderr));
        assert!(rows.iter().all(|row| row[2] == 1.0), "both ways find the same elements");
        // The first round brings the code into memory.
        let ms = |column: usize| median(rows[1..].iter().map(|row| row[column] / 1e6));
        let (selected, sorted) = (ms(0), ms(1));
        measure::row(&[
            elements.to_string(),
            format!("{selected:.2}"),
            format!("{sorted:.2}"),
            format!("{:.1}", sorted.value / selected.value),
        ]);
    }
}
