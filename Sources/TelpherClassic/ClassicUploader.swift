internal import TelpherFileStore
package import TelpherTransport

/// Sends files to one server, Telpher's or a tutorial's, in order on one connection. Any thread may
/// call it, one call at a time.
package actor ClassicUploader {
  /// The loop of the connection.
  package nonisolated let loop: any EventLoop
  /// The loop, as the actor's executor.
  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let stream: PulledStream
  private let limits: ClassicLimits
  /// Whether an earlier file was sent.
  private var hasSent = false

  private init(_ stream: PulledStream, on loop: any EventLoop, limits: ClassicLimits) {
    self.stream = stream
    self.loop = loop
    self.limits = limits
  }

  /// The server's report about all files.
  package struct Report: Sendable, Equatable {
    /// A line for each file. Empty if the server reports nothing; the tutorials' servers do not.
    package var lines: [String]
    /// Whether at least one file was not stored.
    package var hasFailures: Bool { lines.contains { $0.hasPrefix("failed") } }
  }

  /// Connects to `address`.
  ///
  /// - Throws: `ClassicError`: `badRequest` for a UDP address, `unreachable` if the connection
  ///   fails.
  package static func connect(
    to address: ClassicAddress, on loop: any EventLoop, limits: ClassicLimits = ClassicLimits()
  ) async throws -> ClassicUploader {
    try address.check(for: .upload)
    guard case .streams(let target) = address else {
      preconditionFailure("`check` has refused datagrams")
    }
    let opener = Opener(loop: loop)
    return ClassicUploader(
      try await opener.open(target, limits), on: loop, limits: limits)
  }

  /// Opens a stream on its loop.
  private actor Opener {
    let loop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(loop: any EventLoop) { self.loop = loop }

    func open(
      _ address: SocketAddress, _ limits: ClassicLimits
    ) async throws(ClassicError) -> sending PulledStream {
      do throws(TransportError) {
        return PulledStream(try await loop.connect(to: address), aheadBytes: limits.aheadBytes)
      } catch {
        throw ClassicError(.unreachable, error.message)
      }
    }
  }

  /// Sends the file at `path`, with its name and its MD5.
  ///
  /// Before the second and each later file it waits until the server has read the one before. Some
  /// of the tutorials' servers read more bytes than a file has, and would store the next dictionary
  /// as part of the file.
  ///
  /// - Returns: the size of the file in bytes.
  /// - Throws: `ClassicError`: `system` if the file cannot be read, `lost` if the connection is
  ///   gone. After `system` another file can be sent, unless part of this one was sent already:
  ///   then the connection is closed.
  package func send(_ path: String) async throws -> Int64 {
    let file = try await Blocking.run { () throws(ClassicError) in try LocalFile(path) }
    let json = UploadDictionary.json(name: file.name, size: file.size, md5: try await file.md5())
    if hasSent {
      await stream.waitUntilRead(
        on: loop, pause: limits.betweenMessages, longest: limits.serverReads)
    }
    hasSent = true
    try await stream.write(LengthPrefix.encode(Int64(json.count)) + json)
    do throws(ClassicError) {
      try await file.forEach { (chunk) throws(ClassicError) in try await stream.write(chunk) }
    } catch {
      // The server would take the next file for the rest of this one.
      stream.close()
      throw error
    }
    return file.size
  }

  /// Ends the sending side and returns the server's report.
  ///
  /// - Throws: `ClassicError` (`lost`) if the connection fails.
  package func finish() async throws -> Report {
    stream.finishWriting()
    var bytes: [UInt8] = []
    let silence = Silence(loop: loop, longest: limits.uploadReport)
    while bytes.count <= limits.dictionaryBytes * 2, let chunk = try await silence.read(stream) {
      bytes.append(contentsOf: chunk)
    }
    stream.close()
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    return Report(lines: lines)
  }
}

/// Lists the files that a client can send from a folder.
package enum ClassicFolder {
  /// A file of a folder.
  package struct Entry: Sendable, Equatable {
    /// Its name.
    package var name: String
    /// Its size in bytes.
    package var size: Int64
  }

  /// Returns the regular files in `folder`, without hidden ones, sorted by name. It does not block
  /// the caller's thread.
  ///
  /// - Throws: `ClassicError` (`system`) if the folder cannot be read.
  package static func files(in folder: String) async throws -> [Entry] {
    try await Blocking.run { () throws(ClassicError) in
      do throws(FileError) {
        let folder = try Root(folder).folder(.root)
        var entries: [Entry] = []
        for bytes in try folder.names() where bytes.first != UInt8(ascii: ".") {
          guard let name = String(validating: bytes, as: UTF8.self),
            let status = try folder.status(of: bytes), status.kind == .file
          else { continue }
          entries.append(Entry(name: name, size: status.size))
        }
        return entries
      } catch {
        throw ClassicError(error)
      }
    }
  }
}
