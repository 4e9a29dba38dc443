internal import TelpherClient

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
