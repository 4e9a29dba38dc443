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

/// The numbered files that `pick` offers.
struct PickList {
  /// A file.
  struct Item: Equatable {
    var name: [UInt8]
    var size: Int64
  }

  /// The meaning of a line that the user typed.
  enum Answer: Equatable {
    case item(Item)
    case quit
    /// Show the list again.
    case list
    /// The line is not valid, for this reason.
    case wrong(String)
  }

  let items: [Item]

  /// The list with a line for each file: number, name and size.
  var text: String {
    let width = "\(items.count)".utf8.count
    return items.enumerated().map { number, item in
      let number = Columns.padded("\(number + 1)", to: width + 2, isRightAligned: true)
      return "\(number)  \(PathText(item.name))  \(Amount.bytes(item.size))\n"
    }.joined()
  }

  /// Interprets `line`.
  func answer(_ line: String) -> Answer {
    let words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" }
    guard let word = words.first else { return .list }
    if words.count == 1, word == "q" || word == "quit" { return .quit }
    guard words.count == 1, word.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let number = Int(word), (1...max(1, items.count)).contains(number), !items.isEmpty
    else {
      let shown = PathText(line).description
      return .wrong(
        items.isEmpty
          ? "there are no files to pick" : "'\(shown)' is not a number from 1 to \(items.count)")
    }
    return .item(items[number - 1])
  }
}
