internal import CLibUV
internal import CTelpherSys
internal import Glibc

/// Watches a descriptor that its owner reads or writes by itself.
enum UVPoll {
  /// Makes a handle that does not watch yet and belongs to `owner`. The descriptor is open, and no
  /// other handle watches it.
  static func make(
    _ descriptor: Int32, on loop: UVLoop, for owner: some HandleOwner
  ) -> UnsafeMutablePointer<uv_poll_t> {
    switch Handle.make({ uv_poll_init(loop.raw, $0, descriptor) }) {
    case .success(let watch):
      Handle.give(watch, to: owner)
      return watch
    case .failure: preconditionFailure("a terminal or socket that was just opened can be watched")
    }
  }

  /// Calls `callback` each time the descriptor is ready for `events`, until `uv_poll_stop`.
  static func start(
    _ watch: UnsafeMutablePointer<uv_poll_t>, _ events: uv_poll_event, _ callback: uv_poll_cb
  ) {
    let status = uv_poll_start(watch, Int32(events.rawValue), callback)
    precondition(status == 0, "a descriptor that libuv took can be watched")
  }

  /// Closes the handle and the descriptor. libuv stops using the descriptor at once.
  static func close(_ watch: UnsafeMutablePointer<uv_poll_t>, _ descriptor: Int32) {
    Handle.close(watch)
    _ = Glibc.close(descriptor)
  }

  /// Whether a process still has the other side of a pipe or terminal open.
  static func hasWriters(_ descriptor: Int32) -> Bool { telpher_has_hung_up(descriptor) == 0 }
}
