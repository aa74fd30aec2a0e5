//! Multipart uploads: create, part, complete, abort, list.

use super::xml::{Named, Xml};
use super::{Object, Part, Place, Refused, S3, Upload, checksum, headers, no_upload, objects, xml};
use crate::standin::request::{Answer, Head};
use crate::standin::serve::lock;
use crate::standin::sigv4;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

impl S3 {
    pub(super) fn create_upload(&self, head: &Head, place: &Place<'_>) -> Result<Answer, Refused> {
        let kept = headers::kept(head)?;
        let algorithm = head.header("x-amz-checksum-algorithm");
        let unknown = || Refused(400, "InvalidRequest", "Checksum algorithm provided is unsupported.".into());
        let checksum = algorithm.map(|a| checksum::header_of(a).ok_or_else(unknown)).transpose()?;
        if head.header("x-amz-checksum-type").is_some_and(|t| t != "COMPOSITE") {
            return Err(Refused(501, "NotImplemented", "the stand-in knows COMPOSITE checksums only".into()));
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let id = format!("upload-{number:016x}-{:x}", crc32c::crc32c(place.key.as_bytes()));
        let started = self.common.clock.unix_ns();
        let upload = Upload { key: place.key.to_owned(), checksum, headers: kept, parts: BTreeMap::new(), started };
        let mut store = lock(&self.store);
        store.buckets.entry(place.bucket.to_owned()).or_default().uploads.insert(id.clone(), upload);
        drop(store);
        let mut body = Xml::document();
        body.root("InitiateMultipartUploadResult");
        body.text("Bucket", place.bucket);
        body.text("Key", place.key);
        body.text("UploadId", &id);
        body.close("InitiateMultipartUploadResult");
        let answer = Answer::new(200, "application/xml", body.finish());
        Ok(match algorithm {
            Some(a) => answer.with("x-amz-checksum-algorithm", a).with("x-amz-checksum-type", "COMPOSITE"),
            None => answer,
        })
    }

    pub(super) fn upload_part(&self, head: &Head, place: &Place<'_>, body: &[u8]) -> Result<Answer, Refused> {
        let number = head.param("partNumber").and_then(|n| n.parse::<u16>().ok()).filter(|n| (1..=10_000).contains(n));
        let range = || Refused(400, "InvalidArgument", "Part number must be an integer between 1 and 10000".into());
        let number = number.ok_or_else(range)?;
        let given = checksum::verify(head, body)?;
        let counted = self.count_lines(body);
        let mut store = lock(&self.store);
        let held = store.part_bytes;
        let bucket = store.buckets.entry(place.bucket.to_owned()).or_default();
        let upload = head.param("uploadId").and_then(|id| bucket.uploads.get_mut(id)).filter(|u| u.key == place.key);
        let upload = upload.ok_or_else(no_upload)?;
        let actual = given.as_ref().map(|(name, _)| *name);
        if actual != upload.checksum {
            let word = |c: Option<&str>| c.map_or("null", |n| n.trim_start_matches("x-amz-checksum-")).to_owned();
            let (want, got) = (word(upload.checksum), word(actual));
            let message =
                format!("Checksum Type mismatch occurred, expected checksum Type: {want}, actual checksum Type: {got}");
            return Err(Refused(400, "InvalidRequest", message));
        }
        let old = upload.parts.get(&number).map_or(0, |p| p.body.len() as u64);
        let keep = if self.common.count_only { 0 } else { body.len() as u64 };
        if held - old + keep > self.own.part_bytes {
            return Err(Refused(503, "SlowDown", "the stand-in holds no more parts".into()));
        }
        let kept = if self.common.count_only { Bytes::new() } else { Bytes::copy_from_slice(body) };
        let etag = checksum::etag(body);
        let value = given.as_ref().map(|(_, v)| v.clone());
        let by = sigv4::caller(head).unwrap_or("").to_owned();
        let len = body.len() as u64;
        let part = Part { body: kept, len, counted, etag: etag.clone(), checksum: value, by };
        upload.parts.insert(number, part);
        store.part_bytes = held - old + keep;
        drop(store);
        self.receipts.add(|t| t.wire_bytes += body.len() as u64);
        let answer = Answer::empty(200).with("etag", etag);
        Ok(given.into_iter().fold(answer, |a, (name, value)| a.with(name, value)))
    }

    pub(super) fn complete(&self, head: &Head, place: &Place<'_>, body: &[u8]) -> Result<Answer, Refused> {
        let named = xml::parts(body)?;
        let must_be_new = headers::must_be_new(head)?;
        let id = head.param("uploadId").unwrap_or("");
        let upload = {
            let store = lock(&self.store);
            let bucket = store.buckets.get(place.bucket).ok_or_else(no_upload)?;
            bucket.uploads.get(id).filter(|u| u.key == place.key).cloned().ok_or_else(no_upload)?
        };
        let parts = self.chosen(&upload, &named)?;
        let etags: Vec<&str> = parts.iter().map(|p| p.etag.as_str()).collect();
        let etag = checksum::etag_of_parts(&etags);
        let sums: Vec<String> = parts.iter().filter_map(|p| p.checksum.clone()).collect();
        let checksum = upload.checksum.map(|header| (header, checksum::composite(header, &sums)));
        let bodies: Vec<Bytes> = parts.iter().map(|p| p.body.clone()).collect();
        let object = Object {
            body: Some(bodies.concat().into()),
            len: parts.iter().map(|p| p.len).sum(),
            etag: etag.clone(),
            checksum: checksum.clone(),
            headers: upload.headers.clone(),
            parts: parts.len(),
            signers: parts.iter().map(|p| p.by.clone()).collect(),
            modified: self.common.clock.unix_ns(),
        };
        self.finish(place, object, must_be_new)?;
        self.forget_upload(place.bucket, id);
        self.receipts.add(|t| t.records += parts.iter().map(|p| p.counted).sum::<u64>());
        self.read_lines(place.key, &bodies);
        let mut body = Xml::document();
        body.root("CompleteMultipartUploadResult");
        body.text("Bucket", place.bucket);
        body.text("Key", place.key);
        body.text("ETag", &etag);
        if let Some((header, value)) = &checksum {
            body.text(checksum::element_of(header), value);
        }
        body.close("CompleteMultipartUploadResult");
        Ok(Answer::new(200, "application/xml", body.finish()))
    }

    /// The parts that were named, if they may make an object.
    fn chosen<'u>(&self, upload: &'u Upload, named: &[Named]) -> Result<Vec<&'u Part>, Refused> {
        if !named.is_sorted_by(|a, b| a.number < b.number) {
            return Err(Refused(400, "InvalidPartOrder", "The list of parts was not in ascending order.".into()));
        }
        let invalid = || Refused(400, "InvalidPart", "One or more of the specified parts could not be found.".into());
        let mut chosen = Vec::new();
        for (i, name) in named.iter().enumerate() {
            let part = upload.parts.get(&name.number).ok_or_else(invalid)?;
            if part.etag.trim_matches('"') != name.etag.trim_matches('"') {
                return Err(invalid());
            }
            match (upload.checksum, &name.checksum) {
                (None, _) => {}
                (Some(_), None) => {
                    let message = format!(
                        "The upload was created using a checksum. The complete request must include the checksum for \
                         each part. It was missing for part {} in the request.",
                        name.number
                    );
                    return Err(Refused(400, "InvalidRequest", message));
                }
                (Some(header), Some((element, value))) => {
                    if element != checksum::element_of(header) || Some(value) != part.checksum.as_ref() {
                        return Err(invalid());
                    }
                }
            }
            if i + 1 < named.len() && part.len < self.own.part_min {
                let message = "Your proposed upload is smaller than the minimum allowed size";
                return Err(Refused(400, "EntityTooSmall", message.into()));
            }
            chosen.push(part);
        }
        Ok(chosen)
    }

    pub(super) fn abort(&self, head: &Head, place: &Place<'_>) -> Result<Answer, Refused> {
        let id = head.param("uploadId").unwrap_or("");
        let ours = {
            let store = lock(&self.store);
            store.buckets.get(place.bucket).and_then(|b| b.uploads.get(id)).is_some_and(|u| u.key == place.key)
        };
        if ours && self.forget_upload(place.bucket, id) { Ok(Answer::empty(204)) } else { Err(no_upload()) }
    }

    pub(super) fn list_uploads(&self, head: &Head, place: &Place<'_>) -> Result<Answer, Refused> {
        let prefix = head.param("prefix").unwrap_or("");
        let after = (head.param("key-marker").unwrap_or(""), head.param("upload-id-marker").unwrap_or("\u{10FFFF}"));
        let most = head.param("max-uploads").and_then(|n| n.parse::<usize>().ok()).unwrap_or(1_000).clamp(1, 1_000);
        let store = lock(&self.store);
        let uploads = store.buckets.get(place.bucket).map(|b| &b.uploads);
        let mut found: Vec<(&str, &str, i64)> =
            uploads.into_iter().flatten().map(|(id, u)| (u.key.as_str(), id.as_str(), u.started)).collect();
        found.retain(|(key, id, _)| key.starts_with(prefix) && (*key, *id) > after);
        found.sort_unstable();
        let more = found.len() > most;
        found.truncate(most);
        let mut body = Xml::document();
        body.root("ListMultipartUploadsResult");
        body.text("Bucket", place.bucket);
        body.text("Prefix", prefix);
        body.text("MaxUploads", &most.to_string());
        body.text("IsTruncated", if more { "true" } else { "false" });
        if let Some((key, id, _)) = found.last().filter(|_| more) {
            body.text("NextKeyMarker", key);
            body.text("NextUploadIdMarker", id);
        }
        for (key, id, started) in found {
            body.open("Upload");
            body.text("Key", key);
            body.text("UploadId", id);
            body.text("Initiated", &objects::time(started));
            body.close("Upload");
        }
        body.close("ListMultipartUploadsResult");
        Ok(Answer::new(200, "application/xml", body.finish()))
    }

    pub(super) fn list_parts(&self, head: &Head, place: &Place<'_>) -> Result<Answer, Refused> {
        let id = head.param("uploadId").unwrap_or("");
        let store = lock(&self.store);
        let upload = store.buckets.get(place.bucket).and_then(|b| b.uploads.get(id)).filter(|u| u.key == place.key);
        let upload = upload.ok_or_else(no_upload)?;
        let mut body = Xml::document();
        body.root("ListPartsResult");
        body.text("Bucket", place.bucket);
        body.text("Key", place.key);
        body.text("UploadId", id);
        body.text("IsTruncated", "false");
        for (number, part) in &upload.parts {
            body.open("Part");
            body.text("PartNumber", &number.to_string());
            body.text("ETag", &part.etag);
            body.text("Size", &part.len.to_string());
            if let (Some(header), Some(value)) = (upload.checksum, &part.checksum) {
                body.text(checksum::element_of(header), value);
            }
            body.close("Part");
        }
        body.close("ListPartsResult");
        Ok(Answer::new(200, "application/xml", body.finish()))
    }
}
