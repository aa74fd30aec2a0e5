//! HTTP for people and Prometheus.
