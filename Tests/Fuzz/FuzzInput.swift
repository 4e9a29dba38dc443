/// A fuzzer's input. Its first two bytes seed the choices of the session's owner, so that the
/// fuzzer can mutate a choice as easily as the peer's bytes.
struct FuzzInput {
  /// The state of the generator of choices, seeded by the input's first two bytes.
  private var state: UInt64
  /// The peer's bytes.
  let bytes: UnsafeRawBufferPointer

  init(_ start: UnsafePointer<UInt8>, _ count: Int) {
    let all = UnsafeRawBufferPointer(start: start, count: count)
    state = count >= 2 ? UInt64(all[0]) << 8 | UInt64(all[1]) : 0
    bytes = UnsafeRawBufferPointer(rebasing: all.dropFirst(2))
  }

  /// Returns the next choice, from 0 to `count - 1`.
  mutating func choose(_ count: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(count))
  }
}

/// Stops with `message` if the condition is false, also in an optimized build.
func require(_ condition: Bool, _ message: @autoclosure () -> String) {
  if !condition { fatalError(message()) }
}
