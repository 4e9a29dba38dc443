internal import Glibc

/// The files to copy: one file, or a folder with subfolders of 100 files each.
struct FileSet: Sendable {
  var name: String
  var isFolder: Bool
  var files: Int
  /// The size of all files together.
  var bytes: Int

  /// The description in tables.
  var title: String {
    isFolder
      ? "\(figure(Double(files))) files of \(bytes / files / 1_024) KiB"
      : bytes >= 1 << 30 ? "one file of \(bytes >> 30) GiB" : "one file of \(bytes >> 20) MiB"
  }

  /// Creates the files. Their contents are one random block of 1 MiB, repeated with a changed word.
  ///
  /// - Throws: `Failure` if that fails.
  func make(in folder: PrivateFolder) throws(Failure) {
    var generator = SystemRandomNumberGenerator()
    var block = (0..<131_072).map { _ in generator.next() }
    guard isFolder else { return try write(&block, bytes, to: folder(name)) }
    mkdir(folder(name), 0o755)
    for number in 0..<files {
      let parent = folder("\(name)/\(number / 100)")
      if number % 100 == 0 { mkdir(parent, 0o755) }
      try write(&block, bytes / files, to: "\(parent)/\(number)")
    }
  }

  /// Calls `copy` with the path at which to create a copy, checks the copy's sizes and removes it.
  ///
  /// - Returns: GB/s for one file, files/s for a folder.
  /// - Throws: what `copy` throws; `Failure` if the copy is not complete.
  func measure(in folder: PrivateFolder, _ copy: (String) async throws -> Void) async throws
    -> Sample
  {
    let target = "copy-of-\(name)"
    defer { folder.remove(target) }
    let begin = monotonicNow()
    try await copy(folder(target))
    let nanoseconds = Double(monotonicNow() - begin)
    let sizes = try Program.lines(of: ["find", folder(target), "-type", "f", "-printf", "%s\n"])
    let total = sizes.reduce(0) { $0 + (Int($1) ?? 0) }
    guard sizes.count == files, total == bytes else {
      throw Failure("\(sizes.count) of \(files) files arrived, \(total) of \(bytes) bytes")
    }
    return Sample(isFolder ? Double(files) / nanoseconds * 1e9 : Double(bytes) / nanoseconds)
  }

  private func write(_ block: inout [UInt64], _ count: Int, to path: String) throws(Failure) {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw Failure("cannot make \(path)") }
    defer { close(file) }
    var left = count
    while left > 0 {
      block[0] &+= 1
      let written = block.withUnsafeBytes { Glibc.write(file, $0.baseAddress, min(left, $0.count)) }
      guard written > 0 else { throw Failure("cannot write \(path)") }
      left -= written
    }
  }
}
