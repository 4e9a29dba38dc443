internal import TelpherClient

/// The dialogue of `pick`: shows the list, reads a number, copies that file, and repeats.
struct PickDialogue {
  let direction: FileTransfer.Direction
  let folder: PathText
  let connection: Connection
  let input = LineInput()
  let terminal = Terminal.ofStandardError(Environment.current())

  /// Repeats until the input ends or the user quits.
  ///
  /// - Returns: the exit status: that of the last file that could not be copied, else 0.
  /// - Throws: `FileError` if the folder can't be listed; `Failure`, `ClientError`.
  func run() async throws -> Int32 {
    var status: Int32 = 0
    var list = try await show()
    while true {
      try Descriptor.output.print("number (q to end): ")
      guard let line = try await input.next() else {
        try Descriptor.output.print("\n")
        return status
      }
      switch list.answer(line) {
      case .quit: return status
      case .list: list = try await show()
      case .wrong(let reason): try Descriptor.output.print(reason + "\n")
      case .item(let item):
        let outcome = await move(item)
        outcome.complaints.forEach(Descriptor.complain)
        switch outcome {
        case .finished(let report) where report.isComplete:
          let what = report.counts.skipped > 0 ? "exists already" : verb
          try Descriptor.output.print("\(PathText(item.name)) \(what)\n")
        case .finished, .failed: status = outcome.status
        case .interrupted, .broken: return outcome.status
        }
      }
    }
  }

  private var verb: String { direction == .put ? "stored" : "fetched" }

  private func show() async throws -> PickList {
    let list = PickList(items: try await items())
    try Descriptor.output.print(
      list.items.isEmpty
        ? "no files to pick in \(folder)\n" : "files in \(folder):\n" + list.text)
    return list
  }

  /// The regular files of the folder whose names do not begin with a dot.
  private func items() async throws -> [PickList.Item] {
    let all: [PickList.Item]
    switch direction {
    case .get:
      all = try await connection.list(folder).filter { $0.kind == .file }.map {
        PickList.Item(name: LocalPlace.lastPart(of: $0.path.bytes), size: $0.size ?? 0)
      }
    case .put:
      let local = try Root(folder.bytes).folder(.root)
      all = try local.names().compactMap { name in
        guard let status = try? local.status(of: name), status.kind == .file else { return nil }
        return PickList.Item(name: name, size: status.size)
      }
    }
    return all.filter { $0.name.first != UInt8(ascii: ".") }
  }

  private func move(_ item: PickList.Item) async -> TransferOutcome {
    var display = ProgressDisplay(terminal.map { .line($0) } ?? .silent)
    defer { display.clear() }
    let transfer = FileTransfer(
      direction: direction, sources: [folder.appending(item.name)],
      destination: PathText(direction == .put ? "" : "."))
    return await transfer.perform(on: connection, showing: &display)
  }
}

extension PathText {
  /// The path of `name` in this folder.
  fileprivate func appending(_ name: [UInt8]) -> PathText {
    let slash = UInt8(ascii: "/")
    return PathText(bytes.isEmpty || bytes.last == slash ? bytes + name : bytes + [slash] + name)
  }
}
