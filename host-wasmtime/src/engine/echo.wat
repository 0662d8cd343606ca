;; A stand-in for the engine, for tests of the host: it emits what it was started with, and takes
;; each piece of the body for a call: the first byte says which, the rest is its key.
(module
  (import "gitcell:engine/host@0.1.0" "get" (func $get (param i32 i32 i32)))
  (import "gitcell:engine/host@0.1.0" "scan" (func $scan (param i32 i32 i32 i32 i32 i32)))
  (import "gitcell:engine/host@0.1.0" "commit" (func $commit (param i32 i32 i32 i32) (result i32)))
  (import "gitcell:engine/host@0.1.0" "emit" (func $emit (param i32 i32)))
  (memory (export "memory") 1 512)
  (data (i32.const 16) "Status: 200\r\nX-Echo: yes\r\n\r\n")
  (data (i32.const 48) "|")
  (data (i32.const 64) "FT")
  (global $next (mut i32) (i32.const 4096))
  (global $is_late (mut i32) (i32.const 0))

  (func (export "cabi_realloc") (param $old i32) (param i32) (param $align i32) (param $size i32)
    (result i32) (local $at i32)
    (local.set $at
      (i32.and
        (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
    (global.set $next (i32.add (local.get $at) (local.get $size)))
    (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
      (then (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $size) (i32.const 65536)))))))
    (local.get $at))

  (func $part (param i32 i32)
    (call $emit (local.get 0) (local.get 1))
    (call $emit (i32.const 48) (i32.const 1)))

  ;; Emits the elements of a list of records of two lists.
  (func $pairs (param $at i32) (param $count i32) (local $end i32)
    (local.set $end (i32.add (local.get $at) (i32.mul (local.get $count) (i32.const 16))))
    (block $out (loop $each
      (br_if $out (i32.ge_u (local.get $at) (local.get $end)))
      (call $part (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))
      (call $part (i32.load offset=8 (local.get $at)) (i32.load offset=12 (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br $each))))

  (func (export "start")
    (param $method i32) (param $method_size i32) (param $path i32) (param $path_size i32)
    (param $query i32) (param $query_size i32) (param $headers i32) (param $headers_count i32)
    (param $time i64) (param $id i32) (param $id_size i32) (param $caller i32)
    (param $caller_size i32) (param $access i32) (param $size_max i64) (result i32)
    ;; For a path of five bytes (`/late`) it answers only once the body comes.
    (if (i32.eq (local.get $path_size) (i32.const 5)) (then
      (global.set $is_late (i32.const 1))
      (return (i32.const 0))))
    (call $emit (i32.const 16) (i32.const 28))
    (call $part (local.get $method) (local.get $method_size))
    (call $part (local.get $path) (local.get $path_size))
    (call $part (local.get $query) (local.get $query_size))
    (call $pairs (local.get $headers) (local.get $headers_count))
    (call $part (local.get $id) (local.get $id_size))
    (call $part (local.get $caller) (local.get $caller_size))
    (i64.store (i32.const 128) (local.get $time))
    (i64.store (i32.const 136) (local.get $size_max))
    (i32.store (i32.const 144) (local.get $access))
    (call $emit (i32.const 128) (i32.const 20))
    (i32.const 0))

  (func (export "feed") (param $at i32) (param $size i32) (result i32)
    (local $what i32) (local $key i32) (local $key_size i32)
    (if (global.get $is_late) (then
      (call $emit (i32.const 16) (i32.const 28))
      (global.set $is_late (i32.const 0))))
    ;; What was allocated before is not needed any more.
    (global.set $next (i32.const 4096))
    (local.set $what (i32.load8_u (local.get $at)))
    (local.set $key (i32.add (local.get $at) (i32.const 1)))
    (local.set $key_size (i32.sub (local.get $size) (i32.const 1)))
    ;; g: emits whether there is a row, and its value.
    (if (i32.eq (local.get $what) (i32.const 103)) (then
      (call $get (local.get $key) (local.get $key_size) (i32.const 256))
      (call $emit (i32.add (i32.const 64) (i32.load8_u (i32.const 256))) (i32.const 1))
      (if (i32.load8_u (i32.const 256)) (then
        (call $part (i32.load (i32.const 260)) (i32.load (i32.const 264)))))))
    ;; s: emits the rows whose keys start so.
    (if (i32.eq (local.get $what) (i32.const 115)) (then
      (call $scan (local.get $key) (local.get $key_size) (i32.const 0) (i32.const 0)
        (i32.const 65536) (i32.const 256))
      (call $pairs (i32.load (i32.const 256)) (i32.load (i32.const 260)))))
    ;; c: if the row is absent, makes it hold its own key; emits T or F.
    (if (i32.eq (local.get $what) (i32.const 99)) (then
      (i32.store (i32.const 512) (local.get $key))
      (i32.store (i32.const 516) (local.get $key_size))
      (i32.store8 (i32.const 520) (i32.const 0))
      (i32.store (i32.const 544) (local.get $key))
      (i32.store (i32.const 548) (local.get $key_size))
      (i32.store8 (i32.const 552) (i32.const 1))
      (i32.store (i32.const 556) (local.get $key))
      (i32.store (i32.const 560) (local.get $key_size))
      (call $emit
        (i32.add (i32.const 64)
          (call $commit (i32.const 512) (i32.const 1) (i32.const 544) (i32.const 1)))
        (i32.const 1))))
    ;; l: runs for ever. t: traps. o: names bytes outside. m: a misaligned list. p: no progress.
    (if (i32.eq (local.get $what) (i32.const 108)) (then (loop $ever (br $ever))))
    (if (i32.eq (local.get $what) (i32.const 116)) (then (unreachable)))
    (if (i32.eq (local.get $what) (i32.const 111)) (then
      (call $emit (i32.const 33554432) (i32.const 1))))
    (if (i32.eq (local.get $what) (i32.const 109)) (then
      (drop (call $commit (i32.const 513) (i32.const 1) (i32.const 0) (i32.const 0)))))
    (if (i32.eq (local.get $what) (i32.const 112)) (then (return (i32.const 3))))
    ;; A capital letter: emits the whole piece. b: is busy.
    (if (i32.lt_u (local.get $what) (i32.const 91)) (then
      (call $emit (local.get $at) (local.get $size))))
    (i32.eq (local.get $what) (i32.const 98)))

  (func (export "pump") (result i32) (i32.const 2)))
