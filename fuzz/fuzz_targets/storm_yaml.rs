#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| storm_pacemaker_fuzz::storm_yaml(data));
