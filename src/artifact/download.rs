//! The bytes of a blob in order, over as many requests as it takes: a fresh place for every try, resumed where it was cut
//! when the server proves that it is the same blob, stalls noticed. Nothing is known of what the bytes mean.

use super::{FetchError, Limits, Opened, Source, Wanted};
use crate::model::payload::{Mismatch, Promise};
use crate::net;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use reqwest::{Client, Response};
use std::time::{Duration, Instant};
use url::Url;

/// A resumed try that brings this much was worth it, and starts the count anew.
const WORTH_IT_BYTES: u64 = 1 << 20;

/// Tries of one fetch, whatever they bring.
const ALL_TRIES_MAX: u32 = 200;

/// Less than this within the stall time is as good as nothing.
const ALIVE_BYTES: usize = 1 << 10;

/// Why a try ended.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Start from the first byte after a pause.
    Again(FetchError),
    /// Start from the first byte; the pause was made.
    Restart,
    Stop(FetchError),
}

pub(super) struct Download<'a> {
    http: &'a Client,
    source: &'a dyn Source,
    wanted: Wanted<'a>,
    limits: &'a Limits,
    progress: &'a (dyn Fn(u64, Option<u64>) + Sync),
    response: Option<Response>,
    /// `None` when the source gave the bytes themselves: those cannot be asked for in part.
    place: Option<Url>,
    etag: Option<String>,
    content_type: Option<String>,
    total: Option<u64>,
    got: u64,
    resumed_at: Option<u64>,
    failed: u32,
    all_failed: u32,
    /// What did not match at the last try.
    mismatch: Option<Mismatch>,
    /// Time waited, and bytes that came, since there were enough of them.
    waited: Duration,
    trickle_bytes: usize,
}

impl<'a> Download<'a> {
    pub(super) fn new(
        http: &'a Client,
        source: &'a dyn Source,
        wanted: Wanted<'a>,
        limits: &'a Limits,
        progress: &'a (dyn Fn(u64, Option<u64>) + Sync),
    ) -> Self {
        Self {
            http,
            source,
            wanted,
            limits,
            progress,
            response: None,
            place: None,
            etag: None,
            content_type: None,
            total: None,
            got: 0,
            resumed_at: None,
            failed: 0,
            all_failed: 0,
            mismatch: None,
            waited: Duration::ZERO,
            trickle_bytes: 0,
        }
    }

    /// Size of the blob, when the server says it.
    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }

    pub(super) fn got(&self) -> u64 {
        self.got
    }

    pub(super) fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Asks for the blob from its first byte on.
    pub(super) async fn begin(&mut self) -> Result<(), Trouble> {
        self.got = 0;
        self.resumed_at = None;
        (self.waited, self.trickle_bytes) = (Duration::ZERO, 0);
        let (response, place) = match self.source.open().await.map_err(Trouble::Stop)? {
            Opened::Body(response) => (response, None),
            Opened::Url(url) => (
                self.get(&url, None).await.map_err(Trouble::Again)?,
                Some(url),
            ),
        };
        if response.status() != StatusCode::OK {
            return Err(Trouble::Again(storage(&response)));
        }
        let text = |name| text(response.headers(), name);
        // A weak ETag promises the same meaning, not the same bytes.
        self.etag = text(header::ETAG).filter(|etag| !etag.starts_with("W/"));
        self.content_type = text(header::CONTENT_TYPE);
        self.total = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        self.place = place;
        self.response = Some(response);
        self.check_size()
    }

    fn check_size(&self) -> Result<(), Trouble> {
        let Some(total) = self.total else {
            return Ok(());
        };
        if self.limits.blob_bytes_max < total {
            return Err(Trouble::Stop(self.too_large(total)));
        }
        if let (Some(size), Some(_)) = (self.wanted.size_bytes, self.wanted.digest)
            && size != total
        {
            return Err(Trouble::Again(FetchError::Mismatch(Mismatch {
                what: format!("size of {}", self.wanted.name),
                found: format!("{total} bytes"),
                expected: format!("{size} bytes"),
                promised_by: Promise::ArtifactDigest,
            })));
        }
        Ok(())
    }

    /// The next piece; `None` after the last one. Resumes after a cut.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            let why = match self.read().await {
                Ok(Some(piece)) if piece.is_empty() => continue,
                Ok(Some(piece)) => {
                    self.got += piece.len() as u64;
                    if self.limits.blob_bytes_max < self.got {
                        return Err(Trouble::Stop(self.too_large(self.got)));
                    }
                    (self.progress)(self.got, self.total);
                    return Ok(Some(piece));
                }
                Ok(None) if self.total.is_none_or(|total| total == self.got) => return Ok(None),
                Ok(None) => "the connection ended".to_owned(),
                Err(why) => why,
            };
            let error = FetchError::Truncated {
                got_bytes: self.got,
                total_bytes: self.total,
                why,
                tries: 1,
            };
            self.pause(error).await.map_err(Trouble::Stop)?;
            self.resume().await?;
        }
    }

    /// Pieces until there are `count` bytes, or all of a smaller blob.
    pub(super) async fn at_least(&mut self, count: usize) -> Result<Bytes, Trouble> {
        let mut bytes = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            if bytes.is_empty() && count <= piece.len() {
                return Ok(piece);
            }
            bytes.extend_from_slice(&piece);
            if count <= bytes.len() {
                break;
            }
        }
        Ok(bytes.freeze())
    }

    /// A part of the same blob by a request beside. `None` when the server does not give exactly that.
    pub(super) async fn part(&self, start: u64, end: u64) -> Option<Bytes> {
        let (place, total) = (self.place.as_ref()?, self.total?);
        let response = self.get(place, Some((start, Some(end)))).await.ok()?;
        if !is_part(&response, start, end, total) || !self.same_etag(&response) {
            return None;
        }
        let body = tokio::time::timeout(self.limits.stall, response.bytes()).await;
        let body = body.ok()?.ok()?;
        (body.len() as u64 == end - start).then_some(body)
    }

    /// Waits before another try, if there may be one.
    ///
    /// # Errors
    /// The error itself, with the number of tries, when there were enough.
    pub(super) async fn pause(&mut self, error: FetchError) -> Result<(), FetchError> {
        if self
            .resumed_at
            .is_some_and(|at| WORTH_IT_BYTES <= self.got - at)
        {
            self.failed = 0;
        }
        // Bytes can be damaged on the way once; the same wrong bytes again are what lies there.
        if let FetchError::Mismatch(mismatch) = &error
            && self.mismatch.replace(mismatch.clone()).as_ref() == Some(mismatch)
        {
            return Err(error);
        }
        self.failed += 1;
        self.all_failed += 1;
        if self.limits.tries <= self.failed || ALL_TRIES_MAX <= self.all_failed {
            return Err(with_tries(error, self.all_failed));
        }
        let pause = self.limits.backoff_unit * 2_u32.pow((self.failed - 1).min(4));
        tracing::info!(%error, ?pause, "fetching again");
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Asks at a fresh place for what is missing.
    async fn resume(&mut self) -> Result<(), Trouble> {
        self.response = None;
        let Some(total) = self.total.filter(|_| self.can_resume()) else {
            return Err(Trouble::Restart);
        };
        loop {
            let url = match self.source.open().await.map_err(Trouble::Stop)? {
                Opened::Url(url) => url,
                Opened::Body(_from_the_start) => return Err(Trouble::Restart),
            };
            let error = match self.get(&url, Some((self.got, None))).await {
                Ok(response) if response.status().is_success() => {
                    if !is_part(&response, self.got, total, total) || !self.same_etag(&response) {
                        return Err(Trouble::Restart);
                    }
                    self.place = Some(url);
                    self.response = Some(response);
                    self.resumed_at = Some(self.got);
                    return Ok(());
                }
                Ok(response) => storage(&response),
                Err(error) => error,
            };
            self.pause(error).await.map_err(Trouble::Stop)?;
        }
    }

    /// Only when two different blobs could not be mixed unnoticed.
    fn can_resume(&self) -> bool {
        self.place.is_some() && (self.etag.is_some() || self.wanted.digest.is_some())
    }

    fn same_etag(&self, response: &Response) -> bool {
        match (&self.etag, text(response.headers(), header::ETAG)) {
            (Some(ours), Some(theirs)) => *ours == theirs,
            (None, _) | (Some(_), None) => true,
        }
    }

    /// `range`: first byte, and the byte after the last.
    async fn get(
        &self,
        url: &Url,
        range: Option<(u64, Option<u64>)>,
    ) -> Result<Response, FetchError> {
        let mut request = self.http.get(url.clone());
        if let Some((start, end)) = range {
            let end = end.map_or_else(String::new, |end| (end - 1).to_string());
            request = request.header(header::RANGE, format!("bytes={start}-{end}"));
            if let Some(etag) = &self.etag {
                request = request.header(header::IF_RANGE, etag);
            }
        }
        let why = match tokio::time::timeout(self.limits.stall, request.send()).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => net::trouble(&error).1,
            Err(_elapsed) => format!("no answer within {} s", self.limits.stall.as_secs_f32()),
        };
        Err(FetchError::Unreachable { why, tries: 1 })
    }

    async fn read(&mut self) -> Result<Option<Bytes>, String> {
        let Some(response) = &mut self.response else {
            return Ok(None);
        };
        let left = self.limits.stall.saturating_sub(self.waited);
        let began = Instant::now();
        match tokio::time::timeout(left, response.chunk()).await {
            Ok(Ok(piece)) => {
                self.waited += began.elapsed();
                self.trickle_bytes += piece.as_ref().map_or(0, Bytes::len);
                if ALIVE_BYTES <= self.trickle_bytes {
                    (self.waited, self.trickle_bytes) = (Duration::ZERO, 0);
                }
                Ok(piece)
            }
            Ok(Err(error)) => Err(net::trouble(&error).1),
            Err(_elapsed) => {
                (self.waited, self.trickle_bytes) = (Duration::ZERO, 0);
                let stall = self.limits.stall.as_secs_f32();
                Err(format!("nothing for {stall} s"))
            }
        }
    }

    fn too_large(&self, found_bytes: u64) -> FetchError {
        FetchError::TooLarge {
            found_bytes,
            limit_bytes: self.limits.blob_bytes_max,
        }
    }
}

/// A 206 with exactly the bytes from `start` to before `end` of `total`.
fn is_part(response: &Response, start: u64, end: u64, total: u64) -> bool {
    let range = text(response.headers(), header::CONTENT_RANGE);
    response.status() == StatusCode::PARTIAL_CONTENT
        && range.is_some_and(|range| range == format!("bytes {start}-{}/{total}", end - 1))
}

/// What the storage answered: its status and, where it gives one, its error code. Never its text.
fn storage(response: &Response) -> FetchError {
    let code = text(
        response.headers(),
        "x-ms-error-code".parse().expect("a header name"),
    );
    let code = code.map_or_else(String::new, |code| {
        let code: String = code.chars().take(60).collect();
        format!(" ({code})")
    });
    FetchError::Storage {
        found: format!("{}{code}", response.status()),
        tries: 1,
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn with_tries(error: FetchError, tries: u32) -> FetchError {
    match error {
        FetchError::Truncated {
            got_bytes,
            total_bytes,
            why,
            ..
        } => FetchError::Truncated {
            got_bytes,
            total_bytes,
            why,
            tries,
        },
        FetchError::Storage { found, .. } => FetchError::Storage { found, tries },
        FetchError::Unreachable { why, .. } => FetchError::Unreachable { why, tries },
        other => other,
    }
}
