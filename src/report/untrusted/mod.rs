//! Text from outside (commit titles, captured output, names, answers of a service) made harmless for one medium each:
//! a terminal line, a workflow command, Markdown. It is data here and never becomes an instruction to a reader.
//! No judgement of what the text says; secrets are masked before, by `report::mask`.

/// Longest piece of outside text in a line, in characters: more is cut with `…`.
pub const LINE_CHARS_MAX: usize = 400;

/// Longest URL that becomes a link, in bytes: browsers and GitHub cut longer ones.
const URL_BYTES_MAX: usize = 2000;

/// Whether a character is invisible or reorders its neighbours: bidi controls ("Trojan Source", CVE-2021-42574), zero-width
/// characters, line and paragraph separators, interlinear marks, tags.
fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Without terminal sequences, control and deceptive characters. Line breaks stay; tabs become spaces; CR LF and a lone
/// CR are line breaks, so that a later line never overwrites an earlier one.
fn cleaned(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.peek() == Some(&'[') => {
                // CSI: parameters and intermediates, then one final byte.
                chars.next();
                while chars.next_if(|&c| (' '..='?').contains(&c)).is_some() {}
                chars.next_if(|&c| ('@'..='~').contains(&c));
            }
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push('\n');
            }
            '\n' => out.push('\n'),
            '\t' => out.push(' '),
            c if c.is_control() || is_deceptive(c) => (),
            c => out.push(c),
        }
    }
    // The runner's old command form is found anywhere in a line.
    out.replace("##[", "## [")
}

/// At most `chars_max` characters, the cut marked.
pub fn shortened(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// One harmless line of at most `chars_max` characters: runs of white space become one space, and it is no workflow
/// command even when it is printed alone.
pub fn line(text: &str, chars_max: usize) -> String {
    let words: Vec<String> = cleaned(text)
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let joined = words.join(" ");
    let joined = match joined.strip_prefix("::") {
        Some(rest) => format!(": :{rest}"),
        None => joined,
    };
    shortened(&joined, chars_max)
}

/// [`line()`] of the usual length.
pub fn text(text: &str) -> String {
    line(text, LINE_CHARS_MAX)
}

/// Harmless lines of a longer text: the last `lines_max`, because what went wrong stands at the end; a first line says
/// how many were left out.
pub fn block(text: &str, lines_max: usize) -> Vec<String> {
    let cleaned = cleaned(text);
    let lines: Vec<&str> = cleaned.lines().collect();
    let left_out = lines.len().saturating_sub(lines_max);
    let mut out = Vec::new();
    if left_out > 0 {
        out.push(format!("({left_out} earlier lines left out)"));
    }
    for line in lines.iter().skip(left_out) {
        let line = shortened(line.trim_end(), LINE_CHARS_MAX);
        let is_command = line.trim_start().starts_with("::");
        out.push(if is_command {
            line.replacen("::", ": :", 1)
        } else {
            line
        });
    }
    out
}

/// Data of a workflow command (`::error::<data>`), encoded as the runner decodes it.
pub fn command_data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Property of a workflow command (`::error title=<property>::`), encoded as the runner decodes it.
pub fn command_property(text: &str) -> String {
    command_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A Markdown code span, also inside a table cell: no mention, reference, link or HTML takes effect in it.
pub fn code(text: &str) -> String {
    code_of(text, 160)
}

/// [`code`] of at most `chars_max` characters of text.
pub fn code_of(text: &str, chars_max: usize) -> String {
    let text = line(text, chars_max);
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    // `\|` is a pipe in a table cell and nothing else breaks one; a backslash already there would undo it.
    let text = text.replace("\\|", "\\¦").replace('|', "\\|");
    let longest = longest_run(&text, '`');
    let fence = "`".repeat(longest + 1);
    if longest > 0 {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// A sentence of ours that may carry outside text, for a Markdown paragraph, list item or table cell: it reads as
/// written and no part of it is markup, a mention, a reference or a link.
pub fn prose(text: &str) -> String {
    prose_of(text, 1000)
}

/// [`prose`] of at most `chars_max` characters of text.
pub fn prose_of(text: &str, chars_max: usize) -> String {
    let text = line(text, chars_max);
    let mut out = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + c.len_utf8()..).unwrap_or_default();
        let starts = before.is_empty();
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '$' => {
                out.push('\\');
                out.push(c);
            }
            // A mention or a reference is found in the rendered text, where an escape is gone: a zero-width space is not.
            '@' => out.push_str("@\u{200b}"),
            '#' => out.push_str("\\#\u{200b}"),
            '-' if before.ends_with("GH") || before.ends_with("gh") => out.push_str("-\u{200b}"),
            ':' if after.starts_with("//") => out.push_str("\\:"),
            '.' if before.to_ascii_lowercase().ends_with("www") => out.push_str("\\."),
            '-' | '+' | '=' | '!' if starts => {
                out.push('\\');
                out.push(c);
            }
            '.' | ')' if !starts && before.bytes().all(|b| b.is_ascii_digit()) => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// A fenced code block of the last `lines_max` lines.
pub fn fenced(text: &str, lines_max: usize) -> String {
    let lines = block(text, lines_max);
    let longest = lines
        .iter()
        .map(|line| longest_run(line, '`'))
        .max()
        .unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    let mut out = format!("{fence}text\n");
    for line in &lines {
        put_line!(out, "{line}");
    }
    out.push_str(&fence);
    out
}

/// A Markdown link, when the URL is an http(s) one with a host; else the text alone.
pub fn link(text: &str, url: &str) -> String {
    let shown = code(text);
    match web_url(url) {
        Some(url) => format!("[{shown}]({url})"),
        None => shown,
    }
}

/// The URL as it can stand in `(…)` of a Markdown link: http(s), without user information.
pub fn web_url(url: &str) -> Option<String> {
    let parsed = url::Url::parse(url).ok()?;
    let plain = matches!(parsed.scheme(), "http" | "https")
        && parsed.has_host()
        && parsed.username().is_empty()
        && parsed.password().is_none();
    if !plain || parsed.as_str().len() > URL_BYTES_MAX {
        return None;
    }
    let mut out = String::new();
    for c in parsed.as_str().chars() {
        match c {
            '(' => out.push_str("%28"),
            ')' => out.push_str("%29"),
            '<' => out.push_str("%3C"),
            '>' => out.push_str("%3E"),
            '|' => out.push_str("%7C"),
            '\\' => out.push_str("%5C"),
            '`' => out.push_str("%60"),
            '*' => out.push_str("%2A"),
            c if c.is_whitespace() || c.is_control() || !c.is_ascii() => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

fn longest_run(text: &str, of: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == of { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests;
