//! Glob patterns of absolute paths, matched component by component. Pure.
//!
//! `*`, `?`, `[a-z]`, `[!a-z]` stay within a component, `**` as a whole component stands for any number of
//! directories, `\` takes the next byte as it is. Any text is a pattern: an unclosed `[` is an ordinary byte.
//! Wildcards of an `include` do not match a leading dot, as in a shell; those of an `exclude` do.

/// One pattern, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `**`
    Deep,
    /// A component without wildcards.
    Exact(Vec<u8>),
    /// Any other component.
    Wild(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    One,
    Many,
    Set { not: bool, ranges: Vec<(u8, u8)> },
}

/// How far into a pattern a directory has matched.
pub type State = usize;

impl Glob {
    /// Reads a pattern.
    pub fn new(text: &str) -> Glob {
        let part = |text: &str| match tokens(text.as_bytes()) {
            _ if text == "**" => Part::Deep,
            tokens if tokens.iter().all(|t| matches!(t, Token::Byte(_))) => Part::Exact(
                tokens.iter().filter_map(|t| if let Token::Byte(b) = t { Some(*b) } else { None }).collect(),
            ),
            tokens => Part::Wild(tokens),
        };
        Glob { parts: text.split('/').filter(|t| !t.is_empty() && *t != ".").map(part).collect() }
    }

    /// The directories before the first wildcard (never the last component), and the state at which they leave off.
    pub fn fixed(&self) -> (Vec<&[u8]>, State) {
        let dirs: Vec<&[u8]> = self
            .parts
            .iter()
            .take(self.parts.len().saturating_sub(1))
            .map_while(|part| if let Part::Exact(name) = part { Some(name.as_slice()) } else { None })
            .collect();
        let state = dirs.len();
        (dirs, state)
    }

    /// Whether a file of this name, in a directory at `state`, is meant.
    pub fn file(&self, state: State, name: &[u8]) -> bool {
        let here = self.parts.get(state).is_some_and(|part| part.fits(name, false)) && state + 1 == self.parts.len();
        let deep = self.parts.get(state) == Some(&Part::Deep);
        here || (deep && self.file(state + 1, name))
    }

    /// The states of a subdirectory of this name, in a directory at `state`; none: nothing in it can match.
    pub fn enter(&self, state: State, name: &[u8], to: &mut Vec<State>) {
        match self.parts.get(state) {
            Some(Part::Deep) if name.first() != Some(&b'.') => {
                to.push(state);
                self.enter(state + 1, name, to);
            }
            Some(Part::Deep) => self.enter(state + 1, name, to),
            Some(part) if state + 1 < self.parts.len() && part.fits(name, false) => to.push(state + 1),
            Some(_) | None => {}
        }
    }

    /// Whether it matches an absolute path, or a directory that the path lies in.
    pub fn covers(&self, path: &[u8]) -> bool {
        let mut states = vec![0];
        for name in path.split(|b| *b == b'/').filter(|n| !n.is_empty()) {
            let mut next = Vec::new();
            for state in states {
                self.advance(state, name, &mut next);
            }
            next.sort_unstable();
            next.dedup();
            if next.contains(&self.parts.len()) {
                return true;
            }
            states = next;
        }
        false
    }

    fn advance(&self, state: State, name: &[u8], to: &mut Vec<State>) {
        match self.parts.get(state) {
            Some(Part::Deep) => {
                to.push(state);
                if state + 1 == self.parts.len() {
                    to.push(state + 1);
                } else {
                    self.advance(state + 1, name, to);
                }
            }
            Some(part) if part.fits(name, true) => to.push(state + 1),
            Some(_) | None => {}
        }
    }
}

impl Part {
    fn fits(&self, name: &[u8], dots: bool) -> bool {
        match self {
            Part::Deep => dots || name.first() != Some(&b'.'),
            Part::Exact(text) => text == name,
            Part::Wild(tokens) => {
                (dots || name.first() != Some(&b'.') || tokens.first() == Some(&Token::Byte(b'.')))
                    && fits(tokens, name)
            }
        }
    }
}

fn tokens(text: &[u8]) -> Vec<Token> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        out.push(match byte {
            b'*' => Token::Many,
            b'?' => Token::One,
            b'[' => match set(text.get(at..).unwrap_or_default()) {
                Some((token, used)) => {
                    at += used;
                    token
                }
                None => Token::Byte(b'['),
            },
            b'\\' => {
                let next = text.get(at).copied().unwrap_or(b'\\');
                at += 1;
                Token::Byte(next)
            }
            byte => Token::Byte(*byte),
        });
    }
    out.dedup_by(|a, b| *a == Token::Many && *b == Token::Many);
    out
}

/// What stands between `[` and `]`, and how many bytes that took; a `]` at the first place is an ordinary byte.
fn set(text: &[u8]) -> Option<(Token, usize)> {
    let not = matches!(text.first(), Some(b'!' | b'^'));
    let start = usize::from(not);
    let end = start + 1 + text.get(start + 1..)?.iter().position(|b| *b == b']')?;
    let mut inner = text.get(start..end)?;
    let mut ranges = Vec::new();
    while let Some((first, rest)) = inner.split_first() {
        inner = rest;
        match rest {
            [b'-', last, rest @ ..] => {
                ranges.push((*first, *last));
                inner = rest;
            }
            _ => ranges.push((*first, *first)),
        }
    }
    Some((Token::Set { not, ranges }, end + 1))
}

/// Greedy with one point to come back to: at most `tokens` times `name` steps.
fn fits(tokens: &[Token], name: &[u8]) -> bool {
    let (mut t, mut n, mut back) = (0, 0, None);
    loop {
        match (tokens.get(t), name.get(n)) {
            (None, None) => return true,
            (Some(Token::Many), _) => {
                back = Some((t + 1, n));
                t += 1;
                continue;
            }
            (Some(token), Some(byte)) if token.takes(*byte) => {
                t += 1;
                n += 1;
                continue;
            }
            (_, _) => {}
        }
        match back {
            Some((after, from)) if from < name.len() => {
                back = Some((after, from + 1));
                (t, n) = (after, from + 1);
            }
            Some(_) | None => return false,
        }
    }
}

impl Token {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Token::Byte(b) => *b == byte,
            Token::One | Token::Many => true,
            Token::Set { not, ranges } => ranges.iter().any(|(from, to)| (*from..=*to).contains(&byte)) != *not,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks as the scanner does.
    fn walks(pattern: &str, path: &str) -> bool {
        let glob = Glob::new(pattern);
        let names: Vec<&[u8]> = path.split('/').filter(|n| !n.is_empty()).map(str::as_bytes).collect();
        let (fixed, state) = glob.fixed();
        let Some((file, dirs)) = names.split_last() else { return false };
        let Some(dirs) = dirs.strip_prefix(fixed.as_slice()) else { return false };
        let mut states = vec![state];
        for dir in dirs {
            let mut next = Vec::new();
            states.iter().for_each(|s| glob.enter(*s, dir, &mut next));
            states = next;
        }
        states.iter().any(|s| glob.file(*s, file))
    }

    #[test]
    fn includes_name_files() {
        let cases = [
            ("/var/log/messages", "/var/log/messages", true),
            ("/var/log/messages", "/var/log/messages.1", false),
            ("/var/log/*.log", "/var/log/a.log", true),
            ("/var/log/*.log", "/var/log/x/a.log", false),
            ("/var/log/*.log", "/var/log/.a.log", false),
            ("/var/log/.*", "/var/log/.a.log", true),
            ("/var/log/**/*.log", "/var/log/a.log", true),
            ("/var/log/**/*.log", "/var/log/x/y/a.log", true),
            ("/var/log/**", "/var/log/x/y/a", true),
            ("/var/log/**/b/c", "/var/log/b/b/c", true),
            ("/var/log/**/b/c", "/var/log/b/b/d", false),
            ("/srv/*/log?/[a-c]*", "/srv/x/log1/beta", true),
            ("/srv/*/log?/[!a-c]*", "/srv/x/log1/beta", false),
            ("/srv/a[", "/srv/a[", true),
            ("/srv/a[]]", "/srv/a]", true),
            ("/srv/\\*", "/srv/*", true),
            ("/srv/\\*", "/srv/x", false),
            ("/srv/*a*a*a*b", "/srv/aaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ];
        for (pattern, path, want) in cases {
            assert_eq!(walks(pattern, path), want, "{pattern} {path}");
        }
    }

    #[test]
    fn excludes_cover_what_lies_below() {
        let cases = [
            ("/var/log/pods/kube-system_*", "/var/log/pods/kube-system_a_b/c/0.log", true),
            ("/var/log/pods/kube-system_*/**", "/var/log/pods/kube-system_a_b/c/0.log", true),
            ("/var/log/pods/*/istio-proxy/*", "/var/log/pods/a_b_c/istio-proxy/0.log", true),
            ("/var/log/pods/*/istio-proxy/*", "/var/log/pods/a_b_c/app/0.log", false),
            ("**/debug.log", "/a/b/debug.log", true),
            ("/a/*.gz", "/a/.x.gz", true),
            ("/a/b", "/a", false),
        ];
        for (pattern, path, want) in cases {
            assert_eq!(Glob::new(pattern).covers(path.as_bytes()), want, "{pattern} {path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_name_without_wildcards_matches_itself_alone(name in "[a-z.]{1,12}", other in "[a-z.]{1,12}") {
            let glob = Glob::new(&format!("/{name}"));
            if name != "." {
                proptest::prop_assert!(glob.file(0, name.as_bytes()));
                proptest::prop_assert_eq!(glob.file(0, other.as_bytes()), name == other);
            }
        }

        #[test]
        fn any_text_is_a_pattern_and_ends_in_time(pattern in ".{0,40}", path in proptest::collection::vec(0u8..=255, 0..60)) {
            let glob = Glob::new(&pattern);
            glob.covers(&path);
            glob.file(0, &path);
        }
    }
}
