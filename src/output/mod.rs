//! One folder an output: `format` (pure) and `service` (one attempt); `aws`: credentials, signing, client.
