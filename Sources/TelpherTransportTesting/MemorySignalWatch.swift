internal import TelpherTransport

/// A watch for signals from `MemoryNetwork.raise`.
final class MemorySignalWatch: SignalWatch, MemoryHandle {
  private let loop: MemoryLoop
  private var didReceive: (() -> Void)?
  private var handle = 0

  init(_ signal: Int32, on loop: MemoryLoop, _ didReceive: @escaping () -> Void) {
    self.loop = loop
    self.didReceive = didReceive
    handle = loop.add(self)
    loop.network.addWatch(signal, MemoryWaker(loop: loop, handle: handle))
  }

  func didWake() { didReceive?() }

  func cancel() {
    loop.checkIsolated()
    guard didReceive != nil else { return }
    didReceive = nil
    loop.network.removeWatch(MemoryWaker(loop: loop, handle: handle))
    loop.remove(handle)
  }

  func shutDown() { cancel() }
}
