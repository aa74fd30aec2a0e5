//! Whole objects: put, get, list.

use super::xml::Xml;
use super::{Object, Place, Refused, S3, Store, checksum, headers, lines, precondition};
use crate::standin::request::{Answer, Head};
use crate::standin::serve::lock;
use bytes::Bytes;
use std::collections::BTreeSet;

impl S3 {
    pub(super) fn put_object(&self, head: &Head, place: &Place<'_>, body: &[u8]) -> Result<Answer, Refused> {
        let checksum = checksum::verify(head, body)?;
        let kept = headers::kept(head)?;
        let must_be_new = headers::must_be_new(head)?;
        let etag = checksum::etag(body);
        let mut answer = Answer::empty(200).with("etag", etag.clone());
        if let Some((name, value)) = &checksum {
            answer = answer.with(name, value.clone());
        }
        let len = body.len() as u64;
        let counted = self.count_lines(body);
        let body = if self.common.count_only { Bytes::new() } else { Bytes::copy_from_slice(body) };
        let modified = self.common.clock.unix_ns();
        let (parts, signers) = (0, BTreeSet::new());
        let object = Object { body: Some(body.clone()), len, etag, checksum, headers: kept, parts, signers, modified };
        self.finish(place, object, must_be_new)?;
        self.receipts.add(|t| {
            t.wire_bytes += len;
            t.records += counted;
        });
        self.read_lines(place.key, &[body]);
        Ok(answer)
    }

    /// Stores under the name, if it may.
    pub(super) fn finish(&self, place: &Place<'_>, object: Object, must_be_new: bool) -> Result<(), Refused> {
        let mut store = lock(&self.store);
        let bucket = store.buckets.entry(place.bucket.to_owned()).or_default();
        let there = bucket.objects.contains_key(place.key);
        if there && must_be_new {
            drop(store);
            self.receipts.add(|t| t.already += 1);
            return Err(precondition());
        }
        let len = object.body.as_ref().map_or(0, |b| b.len() as u64);
        let old = bucket.objects.insert(place.key.to_owned(), object);
        store.kept_bytes += len;
        store.kept_bytes -= old.and_then(|o| o.body).map_or(0, |b| b.len() as u64);
        store.kept.push_back((place.bucket.to_owned(), place.key.to_owned()));
        store.let_go(self.own.keep_bytes);
        drop(store);
        self.receipts.add(|t| {
            t.objects += u64::from(!there);
            t.replaced += u64::from(there);
        });
        Ok(())
    }

    /// When only counting: lines of a body, which is not kept. They are records once their object is finished.
    pub(super) fn count_lines(&self, body: &[u8]) -> u64 {
        if !self.common.count_only {
            return 0;
        }
        lines::count(body).unwrap_or_else(|| {
            self.receipts.add(|t| t.unreadable += 1);
            0
        })
    }

    pub(super) fn read_lines(&self, key: &str, parts: &[Bytes]) {
        if !self.common.count_only {
            lines::receipt(&self.receipts, key, parts);
        }
    }

    pub(super) fn get_object(&self, place: &Place<'_>, with_body: bool) -> Result<Answer, Refused> {
        let store = lock(&self.store);
        let object = store.buckets.get(place.bucket).and_then(|b| b.objects.get(place.key));
        let missing = || Refused(404, "NoSuchKey", "The specified key does not exist.".into());
        let object = object.ok_or_else(missing)?;
        let gone = || Refused(500, "InternalError", "the stand-in no longer keeps these bytes".into());
        let body = object.body.as_ref().filter(|b| b.len() as u64 == object.len).ok_or_else(gone)?;
        let mut answer = Answer::empty(200).with("etag", object.etag.clone());
        answer.body = if with_body { body.to_vec() } else { Vec::new() };
        for (name, value) in &object.headers {
            match name.as_str() {
                "content-type" => answer = answer.with("content-type", value.clone()),
                "content-encoding" => answer = answer.with("content-encoding", value.clone()),
                "x-amz-storage-class" => answer = answer.with("x-amz-storage-class", value.clone()),
                _ => {}
            }
        }
        if let Some((name, value)) = &object.checksum {
            answer = answer.with(name, value.clone());
        }
        Ok(answer)
    }

    pub(super) fn list_objects(&self, head: &Head, place: &Place<'_>) -> Result<Answer, Refused> {
        let prefix = head.param("prefix").unwrap_or("");
        let after = head.param("continuation-token").or(head.param("start-after")).unwrap_or("");
        let most = head.param("max-keys").and_then(|n| n.parse::<usize>().ok()).unwrap_or(1_000).min(1_000);
        let store = lock(&self.store);
        let objects = store.buckets.get(place.bucket).map(|b| &b.objects);
        let fits = |(key, _): &(&String, &Object)| key.starts_with(prefix) && key.as_str() > after;
        let mut found: Vec<_> = objects.into_iter().flatten().filter(fits).take(most + 1).collect();
        let more = found.len() > most;
        found.truncate(most);
        let mut xml = Xml::document();
        xml.root("ListBucketResult");
        xml.text("Name", place.bucket);
        xml.text("Prefix", prefix);
        xml.text("KeyCount", &found.len().to_string());
        xml.text("MaxKeys", &most.to_string());
        xml.text("IsTruncated", if more { "true" } else { "false" });
        if let Some((last, _)) = found.last().filter(|_| more) {
            xml.text("NextContinuationToken", last);
        }
        for (key, object) in found {
            xml.open("Contents");
            xml.text("Key", key);
            xml.text("LastModified", &time(object.modified));
            xml.text("ETag", &object.etag);
            xml.text("Size", &object.len.to_string());
            xml.text("StorageClass", object.headers.get("x-amz-storage-class").map_or("STANDARD", String::as_str));
            xml.close("Contents");
        }
        xml.close("ListBucketResult");
        Ok(Answer::new(200, "application/xml", xml.finish()))
    }
}

impl Store {
    /// Lets go of the oldest bodies until the rest fits.
    fn let_go(&mut self, keep: u64) {
        while self.kept_bytes > keep
            && let Some((bucket, key)) = self.kept.pop_front()
        {
            let object = self.buckets.get_mut(&bucket).and_then(|b| b.objects.get_mut(&key));
            let body = object.and_then(|o| o.body.take());
            self.kept_bytes -= body.map_or(0, |b| b.len() as u64);
        }
    }
}

/// As S3 writes times.
pub(super) fn time(unix_ns: i64) -> String {
    let stamp = jiff::Timestamp::from_nanosecond(i128::from(unix_ns)).unwrap_or_default();
    stamp.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}
