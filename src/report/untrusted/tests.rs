//! Examples of what an attacker would write, and the properties that hold for every text.

use super::*;
use proptest::prelude::*;

#[track_caller]
fn check_line(text: &str, expected: &str) {
    assert_eq!(line(text, 60), expected);
}

#[test]
fn a_line_holds_no_escape_and_no_command() {
    check_line("plain", "plain");
    check_line("\u{1b}[31mred\u{1b}[0m", "red");
    check_line("\u{1b}]0;title\u{7}after", "]0;titleafter");
    check_line("a\r\nb\tc", "a b c");
    check_line("::error::x", ": :error::x");
    check_line("  ::set-output name=a::b", ": :set-output name=a::b");
    check_line("x ##[command]y", "x ## [command]y");
    check_line("\u{202e}txt.exe\u{2066}", "txt.exe");
    check_line("##\u{200b}[error]", "## [error]");
    assert_eq!(line(&"x".repeat(100), 10), "xxxxxxxxx…");
}

#[test]
fn a_block_keeps_the_end() {
    assert_eq!(
        block("1\n2\n3\n", 2),
        ["(1 earlier lines left out)", "2", "3"]
    );
    assert_eq!(block("  ::stop-commands::x", 2), ["  : :stop-commands::x"]);
}

#[track_caller]
fn check_code(text: &str, expected: &str) {
    assert_eq!(code(text), expected);
}

#[test]
fn a_code_span_is_never_left() {
    check_code("main", "`main`");
    check_code("a`b", "`` a`b ``");
    check_code("``", "``` `` ```");
    check_code("a|b", "`a\\|b`");
    check_code("a\\|b", "`a\\¦b`");
    check_code("", "(empty)");
    check_code("@team #1 <b>", "`@team #1 <b>`");
}

#[track_caller]
fn check_prose(text: &str, expected: &str) {
    assert_eq!(prose(text), expected);
}

#[test]
fn prose_reads_as_written_and_does_nothing() {
    check_prose("run 41 was chosen.", "run 41 was chosen.");
    check_prose("<img src=x>", "\\<img src=x\\>");
    check_prose("@octocat", "@\u{200b}octocat");
    check_prose("fixes #12", "fixes \\#\u{200b}12");
    check_prose("GH-12", "GH-\u{200b}12");
    check_prose("https://evil.example/", "https\\://evil.example/");
    check_prose("www.evil.example", "www\\.evil.example");
    check_prose("a | b", "a \\| b");
    check_prose("- item", "\\- item");
    check_prose("1. item", "1\\. item");
    check_prose("1 % of 3", "1 % of 3");
    check_prose("![x](y)", "\\!\\[x\\](y)");
}

#[test]
fn only_web_urls_become_links() {
    let check = |url: &str, expected: &str| assert_eq!(link("x", url), expected);
    check("https://h.example/a", "[`x`](https://h.example/a)");
    check(
        "https://h.example/a)b|c",
        "[`x`](https://h.example/a%29b%7Cc)",
    );
    check("javascript:alert(1)", "`x`");
    check("https://user:word@h.example/", "`x`");
    check("not a url", "`x`");
}

#[test]
fn a_fence_is_longer_than_any_inside() {
    assert_eq!(fenced("a\n````\nb", 9), "`````text\na\n````\nb\n`````");
}

/// What a GFM parser does to find the cells of a table row: a pipe with no backslash before it ends one.
fn cells(row: &str) -> usize {
    let bytes = row.as_bytes();
    let ends = (0..bytes.len())
        .filter(|&at| bytes[at] == b'|' && (at == 0 || bytes[at - 1] != b'\\'))
        .count();
    ends - 1
}

fn outside_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[|`\\\\\n\r:#@<>\\[\\]()*_~!$& a-z\u{1b}\u{7}\u{202e}%,]{0,60}",
    ]
}

proptest! {
    #[test]
    fn no_control_or_deceptive_character_survives(text in outside_text()) {
        for out in [line(&text, 200), code(&text), command_property(&line(&text, 200))] {
            prop_assert!(!out.chars().any(|c| c.is_control() || is_deceptive(c)), "{out:?}");
        }
        for out in block(&text, 20) {
            prop_assert!(!out.chars().any(|c| c.is_control() || is_deceptive(c)), "{out:?}");
        }
        // Prose adds zero-width spaces of its own, and nothing else.
        let prose = prose(&text).replace('\u{200b}', "");
        prop_assert!(!prose.chars().any(|c| c.is_control() || is_deceptive(c)), "{prose:?}");
    }

    #[test]
    fn no_workflow_command_can_be_formed(text in outside_text()) {
        let mut lines = block(&text, 50);
        lines.push(line(&text, 200));
        for out in lines {
            prop_assert!(!out.trim_start().starts_with("::"), "{out:?}");
            prop_assert!(!out.contains("##["), "{out:?}");
        }
        let data = command_data(&text);
        prop_assert!(!data.contains(['\n', '\r']));
        let property = command_property(&text);
        prop_assert!(!property.contains([':', ',', '\n', '\r']));
    }

    #[test]
    fn encoded_data_decodes_to_the_same_text(text in any::<String>()) {
        let decode = |data: &str| {
            data.replace("%2C", ",").replace("%3A", ":").replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
        };
        prop_assert_eq!(decode(&command_property(&text)), text);
    }

    #[test]
    fn a_table_cell_is_never_left(text in outside_text()) {
        for cell in [code(&text), prose(&text)] {
            prop_assert_eq!(cells(&format!("| {cell} | next |")), 2, "{}", cell);
        }
    }

    #[test]
    fn a_code_span_closes_only_at_its_end(text in outside_text()) {
        let span = code(&text);
        let fence = span.chars().take_while(|&c| c == '`').count();
        if fence > 0 {
            let inside: String = span.chars().skip(fence).take(span.chars().count() - 2 * fence).collect();
            prop_assert!(span.ends_with(&"`".repeat(fence)));
            prop_assert!(longest_run(&inside, '`') < fence, "{span:?}");
            prop_assert!(!inside.starts_with('`') && !inside.ends_with('`'), "{span:?}");
        }
    }

    #[test]
    fn prose_holds_no_markup(text in outside_text()) {
        let out = prose(&text);
        let mut escaped = false;
        for c in out.chars() {
            if escaped {
                escaped = false;
                continue;
            }
            prop_assert!(!"`*_[]<>|~&$#".contains(c), "{out:?}");
            escaped = c == '\\';
        }
        // An escaped colon starts no link (GFM, extended autolinks).
        prop_assert!(!out.replace("\\://", "").contains("://"), "{out:?}");
    }

    #[test]
    fn a_link_stays_inside_its_parentheses(path in outside_text()) {
        if let Some(url) = web_url(&format!("https://h.example/{path}")) {
            prop_assert!(!url.contains(['(', ')', '<', '>', '|', '\\', ' ', '\n', '`']));
        }
    }
}
