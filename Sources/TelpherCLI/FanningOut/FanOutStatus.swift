internal import TelpherClient
internal import TelpherHosts

/// The live line of a fan-out on a terminal: `12/40 done  3 running  1 failed  0:12 left`.
struct FanOutStatus {
  private let engine: FanOutEngine
  private let printer: FanOutPrinter
  private let start = ContinuousClock.now
  /// The time between two updates.
  private static let interval = Duration.milliseconds(200)

  init(_ engine: FanOutEngine, _ printer: FanOutPrinter) {
    self.engine = engine
    self.printer = printer
  }

  /// Shows the line until the task is canceled.
  func showUntilCanceled() async {
    guard await printer.hasTerminal else { return }
    while !Task.isCancelled {
      let plan = await engine.plan
      await printer.show(Self.text(plan, seconds: (ContinuousClock.now - start) / .seconds(1)))
      try? await Task.sleep(for: Self.interval)
    }
  }

  /// The line after `seconds`. The time left is an estimate from the rate so far; it is missing until
  /// a host has ended.
  static func text(_ plan: FanOut, seconds: Double) -> String {
    let count = plan.states.count
    var parts = ["\(plan.settled)/\(count) done", "\(plan.active) running"]
    if plan.failed > 0 { parts.append("\(plan.failed) failed") }
    if plan.stop != nil {
      parts.append("stopping")
    } else if plan.settled > 0, plan.settled < count {
      let left = seconds / Double(plan.settled) * Double(count - plan.settled)
      parts.append("\(Amount.clock(left)) left")
    }
    return parts.joined(separator: "  ")
  }
}
