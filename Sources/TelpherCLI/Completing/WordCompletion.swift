internal import ArgumentParser
internal import Glibc
internal import TelpherClient

/// What a shell offers for a word of the command line.
enum WordCompletion {
  /// A server: a host.
  static let server = CompletionKind.custom { _, _, _ in hosts }

  /// A path on a server: a host with a colon, or a file of this machine.
  static let path = CompletionKind.custom { words, index, _ in
    let word = text(words, index)
    return hosts.map { $0 + ":" } + files(word)
  }

  /// The words of `run` and `on`: a host after `on`, then a command, and then files.
  static let command = CompletionKind.custom { words, index, _ in
    let word = text(words, index)
    // The first word is the program, the second its command.
    let firstWord = words.dropFirst().first == OnCommand.configuration.commandName ? 3 : 2
    if index < firstWord { return hosts }
    guard index < words.count, let end = words[..<index].firstIndex(of: "--") else {
      return commands(word) + files(word)
    }
    return index == end + 1 ? commands(word) + files(word) : files(word)
  }

  private static var hosts: [String] { KnownHosts.names(environment: Environment.current()) }

  /// The word that is to be completed, without quotes.
  private static func text(_ words: [String], _ index: Int) -> String {
    guard words.indices.contains(index) else { return "" }
    return CommandWords.split(words[index])?.first ?? words[index]
  }

  /// The files whose paths begin with `prefix`. A folder ends with a slash.
  static func files(_ prefix: String) -> [String] {
    let folder = prefix.lastIndex(of: "/").map { String(prefix[...$0]) } ?? ""
    let start = prefix.dropFirst(folder.count)
    return names(in: folder.isEmpty ? "." : folder).filter {
      $0.hasPrefix(start) && (start.hasPrefix(".") || !$0.hasPrefix("."))
    }.map { name in
      var status = stat()
      let path = folder + name
      let isFolder = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
      return isFolder ? path + "/" : path
    }
  }

  /// The programs of $PATH whose names begin with `prefix`. They are those of this machine: the
  /// server is not asked.
  static func commands(_ prefix: String) -> [String] {
    guard !prefix.contains("/") else { return [] }
    let folders = (Environment.current()["PATH"] ?? "").split(separator: ":")
    var found: Set<ExactText> = []
    for folder in folders.map(String.init) {
      found.formUnion(
        names(in: folder).filter { $0.hasPrefix(prefix) && access("\(folder)/\($0)", X_OK) == 0 }
          .map { ExactText($0) })
    }
    return found.sorted().map(\.text)
  }

  /// The names in a folder, sorted; those with line breaks are left out, because the shell reads a
  /// name a line.
  private static func names(in folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard let name, name != ".", name != "..", !name.contains("\n") else { continue }
      names.append(name)
    }
    return names.sorted()
  }
}
