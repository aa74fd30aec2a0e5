//! A configured output becomes a format and a service. Where a new kind of output is put in: the compiler names the
//! other places (how it is read and shown in `config`, what `replay` changes of it).

use crate::body::chunks::Pool;
use crate::config::checked::{Aws, Output, OutputKind};
use crate::lane::batch::{Batch, Verdict};
use crate::lane::format::Format;
use crate::output::cloudwatch::format::CloudWatchFormat;
use crate::output::cloudwatch::service::CloudWatchService;
use crate::output::http::Http;
use crate::output::opensearch::format::OpenSearchFormat;
use crate::output::opensearch::service::OpenSearchService;
use crate::output::s3::format::S3Format;
use crate::output::s3::service::S3Service;
use std::sync::Arc;

/// What is done with an output's two halves: the agent runs a lane, `replay` another one.
pub trait Use {
    /// What comes of it.
    type Made;
    /// `attempt` makes one attempt.
    fn with<F, A, V>(self, format: F, attempt: A) -> Result<Self::Made, String>
    where
        F: Format,
        A: Fn(Batch) -> V + Send + 'static,
        V: Future<Output = Verdict> + Send + 'static;
}

/// Whether a lane of this output could be started, without starting it.
pub fn check(output: &Output) -> Result<(), String> {
    let named = |why: String| format!("output {}: {why}", output.name);
    let http = http(output)?;
    match &output.kind {
        OutputKind::CloudWatch(_) => Ok(()),
        OutputKind::S3(config) => S3Service::new(config, http).map(drop).map_err(named),
        OutputKind::OpenSearch(config) => OpenSearchService::new(config, http).map(drop).map_err(named),
    }
}

fn http(output: &Output) -> Result<Http, String> {
    let ca_file = output.ca_file.as_ref().map(|file| file.path.as_path());
    Http::new(ca_file).map_err(|why| format!("output {}: {why}", output.name))
}

/// Makes the two halves of an output; sealed bodies lie in `pool`. An error names the output.
pub fn make<U: Use>(output: &Output, node: &Arc<str>, pool: Arc<Pool>, to: U) -> Result<U::Made, String> {
    let named = |why: String| format!("output {}: {why}", output.name);
    let http = http(output)?;
    match &output.kind {
        OutputKind::CloudWatch(config) => {
            let service = Arc::new(CloudWatchService::new(http, config));
            let format = CloudWatchFormat::new(config, node, pool);
            to.with(format, move |batch| {
                let service = service.clone();
                async move { service.attempt(&batch).await }
            })
        }
        OutputKind::S3(config) => {
            let service = Arc::new(S3Service::new(config, http).map_err(named)?);
            let format = S3Format::new(config, node.clone(), pool);
            to.with(format, move |batch| {
                let service = service.clone();
                async move { service.attempt(&batch).await }
            })
        }
        OutputKind::OpenSearch(config) => {
            let service = Arc::new(OpenSearchService::new(config, http).map_err(named)?);
            let format = OpenSearchFormat::new(config, pool);
            to.with(format, move |batch| {
                let service = service.clone();
                async move { service.attempt(&batch).await }
            })
        }
    }
}

/// Where an output delivers, for people.
pub fn destination(kind: &OutputKind) -> String {
    let place = |aws: &Aws| match (&aws.endpoint, &aws.region) {
        (Some(endpoint), _) => format!(" at {endpoint}"),
        (None, Some(region)) => format!(" in {region}"),
        (None, None) => String::new(),
    };
    match kind {
        OutputKind::CloudWatch(config) => format!("CloudWatch Logs{}", place(&config.aws)),
        OutputKind::S3(config) => format!("bucket {}{}", config.bucket, place(&config.aws)),
        OutputKind::OpenSearch(config) => config.url.clone(),
    }
}
