//! Strict loopback CloudWatch, S3 and OpenSearch, and a writer like kubelet: for the demo and the tests.
