internal import CLibUV
internal import CTelpherSys
internal import Glibc
internal import TelpherSockets

/// A connect(2) of a socket for which libuv has no call. It lives until it is done or the loop ends;
/// then its completion is not called, and the descriptor is closed.
final class UVSocketConnect: HandleOwner {
  private enum State {
    /// Next: `connecting`.
    case idle
    /// Waits until the socket is writable. Next: `over`.
    case connecting(UnsafeMutablePointer<uv_poll_t>, (Int32) -> Void)
    /// Final.
    case over
  }

  private let descriptor: Int32
  private let loop: UVLoop
  private var state = State.idle

  /// For a non-blocking socket.
  init(_ descriptor: Int32, on loop: UVLoop) {
    self.descriptor = descriptor
    self.loop = loop
  }

  /// Starts connecting.
  ///
  /// - Parameter completion: called once, later, with 0 or a negated errno. The descriptor is its own
  ///   then.
  func start(to target: SystemAddress, completion: @escaping (Int32) -> Void) {
    let status = withUnsafePointer(to: target.storage) { telpher_connect(descriptor, $0) }
    guard status == 0 || status == -EINPROGRESS else {
      state = .over
      return loop.callLater { completion(status) }
    }
    let watch = UVPoll.make(descriptor, on: loop, for: self)
    state = .connecting(watch, completion)
    UVPoll.start(watch, UV_WRITABLE, socketIsWritable)
  }

  fileprivate func didBecomeWritable() {
    guard case .connecting(let watch, let completion) = state else { return }
    state = .over
    Handle.close(watch)
    var error: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    let isKnown = getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0
    completion(isKnown ? -error : -errno)
  }

  func close() {
    guard case .connecting(let watch, _) = state else { return }
    state = .over
    UVPoll.close(watch, descriptor)
  }
}

private func socketIsWritable(_ watch: UnsafeMutablePointer<uv_poll_t>?, _: Int32, _: Int32) {
  Handle.owner(of: watch, as: UVSocketConnect.self).didBecomeWritable()
}
