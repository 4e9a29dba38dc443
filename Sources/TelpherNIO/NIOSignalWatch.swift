internal import Glibc
internal import NIOCore
internal import TelpherTransport

/// Watches one signal with `SignalHub`.
final class NIOSignalWatch: SignalWatch, LoopHandle {
  private let loop: NIOLoop
  private let signal: Int32
  private var didReceive: (() -> Void)?

  /// Starts watching.
  init(loop: NIOLoop, signal: Int32, _ didReceive: @escaping () -> Void) throws(TransportError) {
    self.loop = loop
    self.signal = signal
    let what = "watch signal \(signal)"
    guard !loop.isClosing else { throw .loopEnded(what) }
    // After the last watch of a signal, its default action is restored. The default action of
    // SIGPIPE would end the process at the next write to a closed connection.
    guard signal != SIGPIPE else { throw TransportError(what, errno: EINVAL) }
    let bound = NIOLoopBound(WeakWatch(self), eventLoop: loop.eventLoop)
    do {
      try SignalHub.shared.add(ObjectIdentifier(self), signal) { [loop] in
        loop.execute { bound.value.watch?.didReceive?() }
      }
    } catch {
      throw TransportError(what, errno: error.value)
    }
    self.didReceive = didReceive
    loop.keep(self)
  }

  func cancel() {
    loop.preconditionIsCurrent()
    close()
  }

  func close() {
    guard didReceive != nil else { return }
    didReceive = nil
    SignalHub.shared.remove(ObjectIdentifier(self), signal)
    loop.remove(self)
  }

  private struct WeakWatch {
    weak var watch: NIOSignalWatch?
    init(_ watch: NIOSignalWatch) { self.watch = watch }
  }
}
