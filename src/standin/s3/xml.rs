//! The little XML that S3 speaks: building answers, reading Complete's list of parts.

use super::Refused;

const XMLNS: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// An answer being built.
pub struct Xml(String);

impl Xml {
    /// With its declaration.
    pub fn document() -> Xml {
        Xml("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".into())
    }
    /// `<name>`
    pub fn open(&mut self, name: &str) {
        self.0.push_str(&format!("<{name}>"));
    }
    /// `<name xmlns=...>`
    pub fn root(&mut self, name: &str) {
        self.0.push_str(&format!("<{name} xmlns=\"{XMLNS}\">"));
    }
    /// `</name>`
    pub fn close(&mut self, name: &str) {
        self.0.push_str(&format!("</{name}>"));
    }
    /// `<name>text</name>`
    pub fn text(&mut self, name: &str, text: &str) {
        self.open(name);
        for c in text.chars() {
            match c {
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '&' => self.0.push_str("&amp;"),
                '"' => self.0.push_str("&quot;"),
                _ => self.0.push(c),
            }
        }
        self.close(name);
    }
    /// The bytes.
    pub fn finish(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// A part as Complete names it.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// 1 to 10,000.
    pub number: u16,
    /// With or without quotes.
    pub etag: String,
    /// `ChecksumCRC32C` and the like: local name and value.
    pub checksum: Option<(String, String)>,
}

/// Reads `<CompleteMultipartUpload>`.
pub(super) fn parts(body: &[u8]) -> Result<Vec<Named>, Refused> {
    let malformed = || {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        Refused(400, "MalformedXML", message.into())
    };
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    let document = roxmltree::Document::parse(text).map_err(|_| malformed())?;
    let root = document.root_element();
    let ns = root.tag_name().namespace();
    if root.tag_name().name() != "CompleteMultipartUpload" || ns.is_some_and(|n| n != XMLNS) {
        return Err(malformed());
    }
    let mut list = Vec::new();
    for part in root.children().filter(roxmltree::Node::is_element) {
        if part.tag_name().name() != "Part" {
            return Err(malformed());
        }
        let (mut number, mut etag, mut checksum) = (None, None, None);
        for field in part.children().filter(roxmltree::Node::is_element) {
            let value = field.text().unwrap_or("").trim();
            match field.tag_name().name() {
                "PartNumber" => number = value.parse::<u16>().ok().filter(|n| (1..=10_000).contains(n)),
                "ETag" => etag = Some(value.to_owned()),
                name if name.starts_with("Checksum") => checksum = Some((name.to_owned(), value.to_owned())),
                _ => return Err(malformed()),
            }
        }
        list.push(Named { number: number.ok_or_else(malformed)?, etag: etag.ok_or_else(malformed)?, checksum });
    }
    if list.is_empty() || list.len() > 10_000 { Err(malformed()) } else { Ok(list) }
}
