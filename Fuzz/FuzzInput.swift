/// What a fuzzer gave, with the choices that its first bytes make: so that a mutation of a choice is
/// as easy to find as one of the peer's bytes.
struct FuzzInput {
  /// Decides what the owner of the session does; the input's first two bytes.
  private var state: UInt64
  /// The peer's bytes.
  let bytes: UnsafeRawBufferPointer

  init(_ start: UnsafePointer<UInt8>, _ count: Int) {
    let all = UnsafeRawBufferPointer(start: start, count: count)
    state = count >= 2 ? UInt64(all[0]) << 8 | UInt64(all[1]) : 0
    bytes = UnsafeRawBufferPointer(rebasing: all.dropFirst(2))
  }

  /// The next choice, one of `count`.
  mutating func choose(_ count: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(count))
  }
}

/// What must hold, also in an optimized build.
func require(_ condition: Bool, _ message: @autoclosure () -> String) {
  if !condition { fatalError(message()) }
}
