//! What a source file names: its paths, resolved as far as one file allows, without tests, comments and strings.

/// A word or a sign of Rust source, and its line (from 1). `::` is one token; literals and lifetimes are none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

/// One path that a file names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// From 1.
    pub line: usize,
    /// `std::fs::File`, `crate::lane::batch::Verdict`; for a glob the path before the star.
    pub path: Vec<String>,
    /// Everything below the path, by `use path::*`.
    pub glob: bool,
}

/// What there is to know of one file.
#[derive(Debug, Default)]
pub struct Source {
    /// Paths of two segments and more, and everything that is imported.
    pub named: Vec<Named>,
    /// Lines with `async` or `await`.
    pub asyncs: Vec<usize>,
    /// Modules declared here, with line.
    pub modules: Vec<(usize, String)>,
    /// Modules declared only for tests, in files of their own.
    pub test_modules: Vec<String>,
}

/// Reads a file that is the module `module` (`["lane", "batch"]`; the crate's root is empty).
pub fn read(text: &str, module: &[String]) -> Source {
    let (tokens, test_modules) = without_tests(tokens(text));
    let asyncs = tokens.iter().filter(|t| t.text == "async" || t.text == "await").map(|t| t.line).collect();
    let mut source = Source { asyncs, test_modules, ..Source::default() };
    let modules = declared(&tokens);
    source.modules = modules.clone();
    let children: Vec<&str> = modules.iter().map(|(_, name)| name.as_str()).collect();
    let imports = imports(&tokens);
    let resolved = |named: &Named, aliases: &[(String, Vec<String>)]| Named {
        path: resolve(&named.path, module, &children, aliases),
        ..named.clone()
    };
    let aliases: Vec<(String, Vec<String>)> =
        imports.iter().map(|(name, named)| (name.clone(), resolved(named, &[]).path)).collect();
    source.named = imports.iter().map(|(_, named)| resolved(named, &[])).collect();
    source.named.extend(mentioned(&tokens).iter().map(|named| resolved(named, &aliases)));
    source.named.sort();
    source.named.dedup();
    source
}

fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut found, mut i, mut line) = (Vec::new(), 0, 1);
    while i < chars.len() {
        let from = i;
        match at(i) {
            '/' if at(i + 1) == '/' => i += chars[i..].iter().take_while(|c| **c != '\n').count(),
            '/' if at(i + 1) == '*' => i = comment_end(&chars, i),
            '"' => i = string_end(&chars, i),
            'r' | 'b' | 'c' if raw_hashes(&chars, i).is_some() => i = raw_end(&chars, i),
            'b' | 'c' if at(i + 1) == '"' => i = string_end(&chars, i + 1),
            'b' if at(i + 1) == '\'' => i = char_end(&chars, i + 1),
            '\'' => i = char_end(&chars, i),
            c if c.is_alphanumeric() || c == '_' => {
                i += chars[i..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
                if !c.is_ascii_digit() {
                    found.push(Token { text: chars[from..i].iter().collect(), line });
                }
            }
            ':' if at(i + 1) == ':' => {
                found.push(Token { text: "::".into(), line });
                i += 2;
            }
            c => {
                if !c.is_whitespace() {
                    found.push(Token { text: c.into(), line });
                }
                i += 1;
            }
        }
        line += chars[from..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    found
}

fn comment_end(chars: &[char], start: usize) -> usize {
    let (mut depth, mut i) = (0, start);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// The hashes of a raw string that begins here with `r`, `br` or `cr`.
fn raw_hashes(chars: &[char], start: usize) -> Option<usize> {
    let r = if chars[start] == 'r' { start } else { start + 1 };
    let before = start.checked_sub(1).and_then(|i| chars.get(i));
    if chars.get(r) != Some(&'r') || before.is_some_and(|c| c.is_alphanumeric() || *c == '_') {
        return None;
    }
    let hashes = chars[r + 1..].iter().take_while(|c| **c == '#').count();
    (chars.get(r + 1 + hashes) == Some(&'"')).then_some(hashes)
}

fn raw_end(chars: &[char], start: usize) -> usize {
    let hashes = raw_hashes(chars, start).unwrap_or(0);
    let open = start + chars[start..].iter().take_while(|c| **c != '"').count();
    let closes = |i: &usize| chars[*i] == '"' && chars[*i + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    (open + 1..chars.len()).find(closes).map_or(chars.len(), |i| i + 1 + hashes)
}

/// The end of a character, or of a lifetime's quote (its name is then an ordinary word, which harms nothing).
fn char_end(chars: &[char], quote: usize) -> usize {
    match (chars.get(quote + 1), chars.get(quote + 2)) {
        (Some('\\'), _) => {
            let rest = chars.get(quote + 3..).unwrap_or_default();
            quote + 4 + rest.iter().take_while(|c| **c != '\'').count()
        }
        (Some(_), Some('\'')) => quote + 3,
        _ => quote + 1,
    }
}

/// Drops items under `#[cfg(test)]`, and names the modules among them that lie in files of their own.
fn without_tests(all: Vec<Token>) -> (Vec<Token>, Vec<String>) {
    let (mut kept, mut modules, mut i) = (Vec::new(), Vec::new(), 0);
    while i < all.len() {
        let Some(end) = attribute_end(&all, i) else {
            kept.push(all[i].clone());
            i += 1;
            continue;
        };
        let words: Vec<&str> = all[i..end].iter().map(|t| t.text.as_str()).collect();
        let only_tests = words.get(2) == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not");
        if !only_tests {
            kept.extend_from_slice(&all[i..end]);
            i = end;
            continue;
        }
        let mut item = end;
        while let Some(end) = attribute_end(&all, item) {
            item = end;
        }
        i = item_end(&all, item);
        let words: Vec<&str> = all[item..i].iter().map(|t| t.text.as_str()).collect();
        if let Some(at) = words.iter().position(|w| *w == "mod")
            && words.get(at + 2) == Some(&";")
        {
            modules.push(words[at + 1].to_owned());
        }
    }
    (kept, modules)
}

/// One past the `]` of an attribute that begins at `start`.
fn attribute_end(all: &[Token], start: usize) -> Option<usize> {
    let is = |i: usize, text: &str| all.get(i).is_some_and(|t| t.text == text);
    (is(start, "#") && is(start + 1, "[")).then(|| closed(all, start + 1))
}

/// One past what closes the bracket at `open`.
fn closed(all: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (i, token) in all.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i + 1;
        }
    }
    all.len()
}

/// One past an item: its `;`, or its block. A `use` has both.
fn item_end(all: &[Token], start: usize) -> usize {
    let import = all[start..].iter().take(6).any(|t| t.text == "use");
    let mut i = start;
    while let Some(token) = all.get(i) {
        match token.text.as_str() {
            ";" => return i + 1,
            "{" if !import => return closed(all, i),
            "(" | "[" | "{" => i = closed(all, i),
            _ => i += 1,
        }
    }
    all.len()
}

fn declared(tokens: &[Token]) -> Vec<(usize, String)> {
    let pairs = tokens.windows(3).filter(|w| w[0].text == "mod" && matches!(w[2].text.as_str(), ";" | "{"));
    pairs.map(|w| (w[1].line, w[1].text.clone())).collect()
}

/// Every name that `use` brings in, with what it stands for.
fn imports(tokens: &[Token]) -> Vec<(String, Named)> {
    let mut found = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        // Not `impl Trait + use<'a>`.
        if token.text == "use" && tokens.get(i + 1).is_some_and(|t| t.text != "<") {
            tree(tokens, i + 1, &[], &mut found);
        }
    }
    found
}

/// One branch of a `use`; gives back where it ended.
fn tree(tokens: &[Token], start: usize, prefix: &[String], found: &mut Vec<(String, Named)>) -> usize {
    let (mut path, mut i) = (prefix.to_vec(), start);
    let mut add = |name: &str, line: usize, path: &[String], glob: bool| {
        found.push((name.to_owned(), Named { line, path: path.to_vec(), glob }));
    };
    while let Some(Token { text, line }) = tokens.get(i) {
        match text.as_str() {
            "::" => i += 1,
            "{" => {
                i += 1;
                while tokens.get(i).is_some_and(|t| t.text != "}") {
                    i = if tokens[i].text == "," { i + 1 } else { tree(tokens, i, &path, found) };
                }
                return i + 1;
            }
            "*" => {
                add("*", *line, &path, true);
                return i + 1;
            }
            "as" => {
                let name = tokens.get(i + 1).map_or("", |t| t.text.as_str());
                add(name, *line, &path, false);
                return i + 2;
            }
            "," | ";" | "}" => {
                add(path.last().map_or("", String::as_str), tokens[i - 1].line, &path, false);
                return i;
            }
            "self" if !path.is_empty() => i += 1,
            word => {
                path.push(word.to_owned());
                i += 1;
            }
        }
    }
    i
}

/// Paths of two segments and more outside `use`.
fn mentioned(tokens: &[Token]) -> Vec<Named> {
    let text = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    let word = |i: usize| text(i).starts_with(|c: char| c.is_alphabetic() || c == '_');
    let (mut found, mut i) = (Vec::new(), 0);
    while i < tokens.len() {
        if text(i) == "use" && text(i + 1) != "<" {
            while i < tokens.len() && text(i) != ";" {
                i += 1;
            }
        }
        if !word(i) || text(i + 1) != "::" {
            i += 1;
            continue;
        }
        let line = tokens[i].line;
        let mut path = vec![text(i).to_owned()];
        i += 1;
        while text(i) == "::" && word(i + 1) {
            path.push(text(i + 1).to_owned());
            i += 2;
        }
        found.push(Named { line, path, glob: false });
    }
    found
}

/// Makes `self`, `super`, children and imported names into a path from a crate's root.
fn resolve(path: &[String], module: &[String], children: &[&str], aliases: &[(String, Vec<String>)]) -> Vec<String> {
    let supers = path.iter().take_while(|s| *s == "super").count();
    let first = path.first().map_or("", String::as_str);
    let (base, rest) = if supers > 0 {
        (module.get(..module.len().saturating_sub(supers)).unwrap_or_default(), &path[supers..])
    } else if first == "self" {
        (module, &path[1..])
    } else if children.contains(&first) {
        (module, path)
    } else if let Some((_, whole)) = aliases.iter().find(|(name, _)| name == first) {
        return whole.iter().chain(&path[1..]).cloned().collect();
    } else {
        return path.to_vec();
    };
    let root = "crate".to_owned();
    std::iter::once(&root).chain(base).chain(rest).cloned().collect()
}
