internal import TelpherClient
internal import TelpherHosts

/// Takes the outputs of the command on all hosts and prints them in one of the styles.
actor FanOutOutput {
  private let thread = ThreadExecutor.ofItsOwn()
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private let names: [NodeName]
  private let style: FanOutSettings.Style
  private let printer: FanOutPrinter
  private let store: OutputStore

  /// The outputs that are being read or wait to be printed.
  private var outputs: [Key: OutputStore.Output] = [:]
  /// Equal outputs, in the order in which the first of them ended.
  private var folds: [Fold] = []
  private var foldIndices: [FoldKey: Int] = [:]
  /// The ends of the hosts, for the records.
  private var ends: [Int: Result<CommandResult, Failure>] = [:]
  /// The hosts that are settled, and the first that is not printed, for printing in order.
  private var settled: Set<Int> = []
  private var next = 0
  private var isPrinting = false

  private struct Key: Hashable {
    let host: Int
    let channel: FanOutPrinter.Channel
  }

  private struct FoldKey: Hashable {
    let channel: FanOutPrinter.Channel
    let bytes: String
  }

  private struct Fold {
    let channel: FanOutPrinter.Channel
    let output: OutputStore.Output
    var hosts: [NodeName]
  }

  init(
    _ names: [NodeName], _ style: FanOutSettings.Style, _ printer: FanOutPrinter,
    environment: [String: String]
  ) {
    self.names = names
    self.style = style
    self.printer = printer
    store = OutputStore(
      limit: style == .records ? OutputStore.longestRecord : OutputStore.longest,
      environment: environment)
  }

  /// Takes a chunk of an output; returns when it is printed or kept.
  ///
  /// - Throws: `Failure`.
  nonisolated func add(
    _ chunk: Chunk, of host: Int, _ channel: FanOutPrinter.Channel
  ) async throws {
    if style == .asItComes {
      try await printer.print(chunk, of: host, channel)
    } else {
      try await keep(chunk, Key(host: host, channel: channel))
    }
  }

  private func keep(_ chunk: Chunk, _ key: Key) async throws(Failure) {
    // One task reads an output, so nothing else changes this one meanwhile.
    var output = outputs[key] ?? OutputStore.Output()
    outputs[key] = nil
    let result: Result<Void, Failure>
    do throws(Failure) {
      result = .success(try await store.add(chunk, to: &output))
    } catch {
      result = .failure(error)
    }
    outputs[key] = output
    try result.get()
  }

  /// The outputs of a host have ended, completely or early.
  ///
  /// - Throws: `Failure` if what is left can't be printed or kept.
  func finish(_ host: Int) async throws(Failure) {
    for channel in [FanOutPrinter.Channel.output, .error] {
      if style == .asItComes {
        try await printer.finish(host, channel)
      } else if var output = outputs[Key(host: host, channel: channel)] {
        try await store.finish(&output)
        outputs[Key(host: host, channel: channel)] = output
      }
    }
  }

  /// Keeps how the command on a host ended, for its record.
  func keep(_ end: Result<CommandResult, Failure>, of host: Int) { ends[host] = end }

  /// A host is settled: prints what can be printed now.
  func didSettle(_ host: Int, _ state: HostState) async {
    let end = ends.removeValue(forKey: host)
    do throws(Failure) {
      switch style {
      case .asItComes: break
      case .folded: await fold(host)
      case .inOrder: try await printInOrder(host)
      case .records: try await printRecord(host, state, end)
      }
    } catch {
      await failed(error)
    }
  }

  /// Prints what was kept to the end.
  func printFolds() async {
    do {
      for fold in folds {
        let name = FanOut.folded(fold.hosts)
        let rule = String(repeating: "-", count: 15)
        let count = fold.hosts.count > 1 ? " (\(fold.hosts.count))" : ""
        try await printer.print(Array("\(rule)\n\(name)\(count)\n\(rule)\n".utf8), fold.channel)
        let last = Monitor<UInt8>(0)
        try await store.read(fold.output) { [printer] chunk in
          let bytes = Array(chunk)
          last.withLock { $0 = bytes.last ?? $0 }
          try await printer.print(bytes, fold.channel)
        }
        if last.withLock({ $0 }) != UInt8(ascii: "\n") {
          try await printer.print([UInt8(ascii: "\n")], fold.channel)
        }
      }
    } catch {
      await failed(Failure(error))
    }
  }

  /// What could not be printed; nil if all was.
  private(set) var failure: Failure?

  private func failed(_ error: Failure) async { failure = failure ?? error }

  private func fold(_ host: Int) async {
    for channel in [FanOutPrinter.Channel.output, .error] {
      guard let output = outputs.removeValue(forKey: Key(host: host, channel: channel)),
        !output.isEmpty
      else { continue }
      let key = FoldKey(channel: channel, bytes: output.key)
      if let index = foldIndices[key] {
        folds[index].hosts.append(names[host])
        await store.discard(output)
      } else {
        foldIndices[key] = folds.count
        folds.append(Fold(channel: channel, output: output, hosts: [names[host]]))
      }
    }
  }

  private func printInOrder(_ host: Int) async throws(Failure) {
    settled.insert(host)
    // Another call is printing, and will then print this host.
    guard !isPrinting else { return }
    isPrinting = true
    defer { isPrinting = false }
    while settled.contains(next) {
      let host = next
      next += 1
      for channel in [FanOutPrinter.Channel.output, .error] {
        guard let output = outputs.removeValue(forKey: Key(host: host, channel: channel)) else {
          continue
        }
        do {
          try await store.read(output) { [printer] chunk in
            try await printer.print(chunk, of: host, channel)
          }
        } catch {
          throw Failure(error)
        }
        try await printer.finish(host, channel)
        await store.discard(output)
      }
    }
  }

  private func printRecord(
    _ host: Int, _ state: HostState, _ end: Result<CommandResult, Failure>?
  ) async throws(Failure) {
    var bytes: [FanOutPrinter.Channel: [UInt8]] = [:]
    for channel in [FanOutPrinter.Channel.output, .error] {
      let output = outputs.removeValue(forKey: Key(host: host, channel: channel))
      guard let output else { continue }
      bytes[channel] = try await store.bytes(of: output)
      await store.discard(output)
    }
    try JSONText.print(
      HostRecord(
        host: names[host].text, state: state, end: end, output: bytes[.output] ?? [],
        error: bytes[.error] ?? []))
  }
}
