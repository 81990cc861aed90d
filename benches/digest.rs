//! What a DIGEST-MD5 login costs, as the daemon runs it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use storm_pacemaker::auth::digest_md5::Client;
use storm_pacemaker::auth::secret::Secret;
use storm_pacemaker::auth::{Authenticator, Credentials, DigestCredentials, Handshake, Progress};

/// As Storm's own clients call themselves.
const USERNAME: &str = "cGFjZW1ha2VyLWNsaWVudA==";

fn digest(criterion: &mut Criterion) {
    let credentials = DigestCredentials::of("pmuser", &Secret::new("pmpass".to_owned()));
    let authenticator = Authenticator::new(&Credentials::Digest(credentials.clone()))
        .expect("any user and password will do")
        .expect("there is a login");
    let mut client = Client::new(&credentials, USERNAME);
    let (mut challenge, mut last) = (Vec::new(), Vec::new());

    let mut group = criterion.benchmark_group("digest");
    // The client's own work is left out: both of the server's steps, and nothing in between.
    group.bench_function("a login, the server's side", |bencher| {
        bencher.iter_custom(|logins| {
            let mut spent = Duration::ZERO;
            for _ in 0..logins {
                let started = Instant::now();
                let mut handshake = begin(&authenticator, &mut challenge);
                spent += started.elapsed();
                let token = client.respond(&challenge).expect("it is a challenge");
                let started = Instant::now();
                finish(&mut handshake, &token, &mut last);
                drop(handshake);
                spent += started.elapsed();
            }
            spent
        });
    });
    group.bench_function("the challenge alone", |bencher| {
        bencher.iter(|| begin(&authenticator, &mut challenge));
    });
    group.bench_function("a login, both sides", |bencher| {
        bencher.iter(|| {
            let mut handshake = begin(&authenticator, &mut challenge);
            let token = client.respond(&challenge).expect("it is a challenge");
            finish(&mut handshake, &token, &mut last);
            client.verify(&last)
        });
    });
    group.finish();
}

fn begin(authenticator: &Authenticator, challenge: &mut Vec<u8>) -> Handshake {
    challenge.clear();
    let mut handshake = authenticator.begin();
    let progress = handshake.step(None, challenge);
    assert_eq!(progress, Ok(Progress::Continue));
    handshake
}

fn finish(handshake: &mut Handshake, token: &[u8], last: &mut Vec<u8>) {
    last.clear();
    let progress = handshake.step(Some(black_box(token)), last);
    assert!(matches!(progress, Ok(Progress::Done(_))), "{progress:?}");
}

criterion_group!(benches, digest);
criterion_main!(benches);
