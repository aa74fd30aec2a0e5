//! Things that answer at a destination's address and are not the service.

use rcgen::{CertificateParams, KeyPair};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use tailrace::standin::Control;

/// A server that says these bytes to whoever comes, once something was read; it ends with the process.
pub fn says(bytes: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| {
        // Whatever comes of it is the client's business.
        drop(stream.read(&mut [0; 65_536]));
        drop(stream.write_all(bytes));
        drop(stream.shutdown(std::net::Shutdown::Write));
        drop(stream.read(&mut [0; 65_536]));
    })
}

/// From now on this port leads to that one.
pub fn forward(from: SocketAddr, to: SocketAddr) {
    serve_at(from, move |client| {
        let Ok(server) = TcpStream::connect(to) else { return };
        let (mut up, mut down) = ((client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client));
        let other = std::thread::spawn(move || drop(std::io::copy(&mut up.0, &mut up.1)));
        drop(std::io::copy(&mut down.0, &mut down.1));
        drop(down.1.shutdown(std::net::Shutdown::Both));
        other.join().unwrap();
    });
}

fn serve(act: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    serve_at(SocketAddr::from(([127, 0, 0, 1], 0)), act)
}

fn serve_at(at: SocketAddr, act: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind(at).unwrap();
    let at = listener.local_addr().unwrap();
    let act = Arc::new(act);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let act = act.clone();
            std::thread::spawn(move || act(stream));
        }
    });
    at
}

/// The service over TLS, with a certificate for this name that nobody has heard of.
pub fn over_tls(control: &Control, name: &str) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let control = control.clone();
    serve(move |stream| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        stream.set_nonblocking(true).unwrap();
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                control.serve(stream).await;
            }
        });
    })
}

/// A port at which nobody listens.
pub fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
