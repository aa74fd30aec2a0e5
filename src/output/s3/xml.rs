//! The XML that S3 speaks: answers read, the list of parts written.
//!
//! Any bytes are a valid answer: what is not XML, or not the XML that was expected, yields nothing. Namespaces are
//! ignored, because compatible services leave them out. The caller bounds the size of an answer.

use super::verdict::Fault;
use crate::lane::batch::PartTag;
use roxmltree::{Document, Node, ParsingOptions};
use std::borrow::Cow;
use std::time::Duration;

/// No answer that we ask for is larger: 1,000 uploads of a dozen elements each.
const MAX_NODES: u32 = 100_000;

/// What an answer says that is not success; `region` is the header `x-amz-bucket-region`.
pub fn fault(status: u16, region: Option<&str>, after: Option<Duration>, body: &[u8]) -> Fault {
    let mut fault = Fault { status, after, region: region.map(str::to_owned), ..Fault::default() };
    read(body, |root| {
        if root.tag_name().name() == "Error" {
            fault.code = text(root, "Code").unwrap_or_default();
            fault.message = text(root, "Message").unwrap_or_default();
            fault.region = fault.region.take().or_else(|| text(root, "Region"));
        }
    });
    fault
}

/// The id of an upload that was just created.
pub fn upload_id(body: &[u8]) -> Option<String> {
    let mut id = None;
    read(body, |root| {
        if root.tag_name().name() == "InitiateMultipartUploadResult" {
            id = text(root, "UploadId");
        }
    });
    id.filter(|id| !id.is_empty())
}

/// Whether the body of a 200 says that the object was made.
pub fn is_completed(body: &[u8]) -> bool {
    let mut done = false;
    read(body, |root| done = root.tag_name().name() == "CompleteMultipartUploadResult");
    done
}

/// Whether the body of a 200 is an error after all.
pub fn is_error(body: &[u8]) -> bool {
    let mut error = false;
    read(body, |root| error = root.tag_name().name() == "Error");
    error
}

/// Ids of the open uploads of exactly this name.
pub fn uploads_of(name: &str, body: &[u8]) -> Vec<String> {
    let mut ids = Vec::new();
    read(body, |root| {
        let uploads = root.children().filter(|n| n.tag_name().name() == "Upload");
        let ours = uploads.filter(|upload| text(*upload, "Key").as_deref() == Some(name));
        ids = ours.filter_map(|upload| text(upload, "UploadId")).collect();
    });
    ids
}

/// The body of a Complete: the parts in order of their numbers.
pub fn complete(parts: &[PartTag]) -> String {
    let mut sorted: Vec<&PartTag> = parts.iter().collect();
    sorted.sort_by_key(|part| part.number);
    let mut out = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for part in sorted {
        out.push_str(&format!(
            "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag><ChecksumCRC32C>{}</ChecksumCRC32C></Part>",
            part.number,
            escape(&part.etag),
            escape(&part.crc32c)
        ));
    }
    out.push_str("</CompleteMultipartUpload>");
    out
}

fn read(body: &[u8], look: impl FnOnce(Node<'_, '_>)) {
    // A Complete that takes long starts with spaces to keep the connection alive.
    let Ok(text) = std::str::from_utf8(body.trim_ascii()) else { return };
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    if let Ok(document) = Document::parse_with_options(text, options) {
        look(document.root_element());
    }
}

fn text(node: Node<'_, '_>, name: &str) -> Option<String> {
    let child = node.children().find(|n| n.tag_name().name() == name)?;
    Some(child.text().unwrap_or_default().trim().to_owned())
}

fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"))
}
