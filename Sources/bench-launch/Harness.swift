internal import CTelpherBenchLaunch
internal import Glibc

/// Runs one way: a loop on the calling thread, and a thread that measures how long the loop keeps
/// others waiting.
final class Harness {
  private struct Slot {
    var running: Running?
    var open: [Bool] = [false, false, false]
  }

  private let way: Way
  private let count: Int
  private var slots: [Slot]
  private var started = 0
  private var ended = 0
  private var buffer = [UInt8](repeating: 0, count: 65536)

  init(_ way: Way, count: Int, inflight: Int) {
    self.way = way
    self.count = count
    slots = Array(repeating: Slot(), count: min(inflight, count))
  }

  /// Commands per second, and the echoes' times in microseconds.
  func run() -> (rate: Double, waits: [Double]) {
    let echo = Echo()
    let begin = microseconds()
    for index in slots.indices { start(index) }
    while ended < count { turn(echo) }
    let end = microseconds()
    return (Double(count) / (end - begin) * 1e6, echo.finish())
  }

  private func turn(_ echo: Echo) {
    var descriptors = [
      pollfd(fd: echo.loopEnd, events: Int16(POLLIN), revents: 0),
      pollfd(fd: bench_uv_descriptor(), events: Int16(POLLIN), revents: 0),
    ]
    var owners: [(slot: Int, source: Int)] = []
    for (index, slot) in slots.enumerated() {
      guard let running = slot.running else { continue }
      for source in 0..<3 where slot.open[source] {
        descriptors.append(
          pollfd(fd: running.sources[source], events: Int16(POLLIN), revents: 0))
        owners.append((index, source))
      }
    }
    poll(&descriptors, nfds_t(descriptors.count), -1)
    if descriptors[0].revents != 0 { echo.answer() }
    if descriptors[1].revents != 0 { bench_uv_run() }
    for (owner, descriptor) in zip(owners, descriptors.dropFirst(2)) where descriptor.revents != 0 {
      advance(owner.slot, owner.source)
    }
  }

  private func advance(_ index: Int, _ source: Int) {
    let descriptor = slots[index].running!.sources[source]
    if source < 2 {
      if read(descriptor, &buffer, buffer.count) > 0 { return }
    } else {
      slots[index].running!.wait()
    }
    close(descriptor)
    slots[index].open[source] = false
    guard !slots[index].open.contains(true) else { return }
    slots[index].running = nil
    ended += 1
    if started < count { start(index) }
  }

  private func start(_ index: Int) {
    started += 1
    guard way.onWorkers else { return didStart(index, way.start()) }
    let job = Job(harness: self, index: index)
    bench_uv_queue(
      Unmanaged.passRetained(job).toOpaque(),
      { argument in
        let job = Unmanaged<Job>.fromOpaque(argument!).takeUnretainedValue()
        job.running = job.harness.way.start()
      },
      { argument in
        let job = Unmanaged<Job>.fromOpaque(argument!).takeRetainedValue()
        job.harness.didStart(job.index, job.running!)
      })
    // libuv counts the request as active; nothing more to do before it is done.
  }

  private func didStart(_ index: Int, _ running: Running) {
    slots[index] = Slot(running: running, open: [true, true, true])
  }

  private final class Job {
    let harness: Harness
    let index: Int
    var running: Running?
    init(harness: Harness, index: Int) {
      self.harness = harness
      self.index = index
    }
  }
}

/// Microseconds of a clock that only goes on.
func microseconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
}
