internal import CLibUV
internal import Glibc
internal import TelpherTransport

/// Watches one signal with uv_signal_t.
final class UVSignalWatch: SignalWatch, HandleOwner {
  private let loop: UVLoop
  private var handle: UnsafeMutablePointer<uv_signal_t>?
  private var didReceive: (() -> Void)?

  /// Starts watching.
  init(loop: UVLoop, signal: Int32, _ didReceive: @escaping () -> Void) throws(TransportError) {
    self.loop = loop
    let what = "watch signal \(signal)"
    guard !loop.isClosing else { throw .loopEnded(what) }
    // After the last watch of a signal, libuv restores its default action. The default action of
    // SIGPIPE would end the process at the next write to a closed connection.
    guard signal != SIGPIPE else { throw UVStatus(UV_EINVAL.rawValue).error(what) }
    let handle: UnsafeMutablePointer<uv_signal_t>
    switch Handle.make({ uv_signal_init(loop.raw, $0) }) {
    case .success(let made): handle = made
    case .failure(let status): throw status.error(what)
    }
    let status = uv_signal_start(handle, signalDidArrive, signal)
    guard status == 0 else {
      Handle.close(handle)
      throw UVStatus(status).error(what)
    }
    self.handle = handle
    self.didReceive = didReceive
    Handle.give(handle, to: self)
  }

  func cancel() {
    loop.preconditionIsCurrent()
    close()
  }

  func close() {
    guard let handle else { return }
    self.handle = nil
    didReceive = nil
    Handle.close(handle)
  }

  fileprivate func receive() {
    didReceive?()
  }
}

private func signalDidArrive(_ handle: UnsafeMutablePointer<uv_signal_t>?, _: Int32) {
  Handle.owner(of: handle, as: UVSignalWatch.self).receive()
}
