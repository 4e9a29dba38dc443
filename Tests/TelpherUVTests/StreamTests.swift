import Glibc
import TelpherTransport
import TelpherUV
import Testing

/// Tests of streams over real sockets and pipes.
@Suite(.timeLimit(.minutes(15))) struct StreamTests {
  @Test(arguments: [0, 1, 64, 65, 4096])
  func headsAndBodiesArriveInOrderThroughAFullSocket(headCount: Int) async throws {
    try await withLoop { loop in
      let received: [UInt8] = await loop.run { done in
        loop.connectPair { client, server in
          let rounds = 64
          var bytes: [UInt8] = []
          server.onRead = { bytes.append(contentsOf: $0) }
          server.onEnd = { _ in
            client.close()
            server.close()
            done(bytes)
          }
          var wasQueued = false
          for round in 0..<rounds {
            let head = [UInt8](repeating: UInt8(round), count: headCount)
            let body = Chunk([UInt8](repeating: UInt8(128 + round), count: 100_000))
            let isGone = head.withUnsafeBytes { client.write($0, body) }
            wasQueued = wasQueued || !isGone
          }
          #expect(wasQueued)
          #expect(client.queuedBytes > 0)
          client.onWritable = { #expect(client.queuedBytes == 0) }
          client.finishWriting()
          server.resumeReading()
        }
      }
      let expected = (0..<64).flatMap { round in
        [UInt8](repeating: UInt8(round), count: headCount)
          + [UInt8](repeating: UInt8(128 + round), count: 100_000)
      }
      #expect(received == expected)
    }
  }

  @Test func onWritableIsCalledOnceForAllQueuedWrites() async throws {
    try await withLoop { loop in
      let calls: Int = await loop.run { done in
        loop.connectPair { client, server in
          var (calls, left) = (0, 16 << 20)
          client.onWritable = { calls += 1 }
          server.onRead = { chunk in
            left -= chunk.count
            // Waits a little, so that a second call would be noticed.
            if left == 0 { _ = loop.schedule(after: 2_000_000) { done(calls) } }
          }
          server.resumeReading()
          for _ in 0..<2 {
            #expect(
              !client.write(
                .init(start: nil, count: 0), Chunk([UInt8](repeating: 1, count: 8 << 20))))
          }
        }
      }
      #expect(calls == 1)
    }
  }

  @Test func aFailedWriteIsReportedOnceInALaterCallback() async throws {
    try await withLoop { loop in
      let code: TransportError.Code = await loop.run { done in
        let pipe = makePipe()
        let other = makePipe()
        let stream = try! loop.adopt(reading: other.input, writing: pipe.output)
        Glibc.close(pipe.input)
        var isInside = true
        var calls = 0
        stream.onWriteFailure = { error in
          #expect(!isInside)
          calls += 1
          stream.send("dropped")
          _ = loop.schedule(after: 0) {
            #expect(calls == 1)
            stream.close()
            Glibc.close(other.output)
            done(error.code)
          }
        }
        // A process that another test forks holds the reading end until its execve(2). Until then
        // writes succeed, so they are repeated.
        func send() {
          isInside = true
          stream.send("this is never read")
          stream.send("this neither")
          isInside = false
          _ = loop.schedule(after: 1_000_000) { if calls == 0 { send() } }
        }
        send()
      }
      #expect(code == .broken)
    }
  }

  @Test func queuedBytesAreDroppedWhenThePeerCloses() async throws {
    try await withLoop { loop in
      let queued: Int = await loop.run { done in
        loop.connectPair { client, server in
          client.onWritable = { Issue.record("nothing was taken") }
          client.onWriteFailure = { _ in
            let queued = client.queuedBytes
            client.close()
            done(queued)
          }
          for _ in 0..<16 {
            client.write(.init(start: nil, count: 0), Chunk([UInt8](repeating: 1, count: 1 << 20)))
          }
          server.close()
        }
      }
      #expect(queued == 0)
    }
  }

  @Test func readsRespectTheReadLimit() async throws {
    try await withLoop { loop in
      let sizes: [Int] = await loop.run { done in
        loop.connectPair { client, server in
          var sizes: [Int] = []
          client.send(String(repeating: "x", count: 100))
          server.readLimit = 30
          server.onRead = { chunk in
            sizes.append(chunk.count)
            server.readLimit = sizes.count == 1 ? 50 : 0
            if sizes.count == 2 {
              _ = loop.schedule(after: 2_000_000) {
                #expect(sizes.count == 2)
                #expect(server.unreadBytes == 20)
                server.readLimit = 7
              }
            }
            if sizes.count == 3 { done(sizes) }
          }
          server.resumeReading()
        }
      }
      #expect(sizes == [30, 50, 7])
    }
  }

  @Test func pausingInTheCallbackTakesEffectAtOnce() async throws {
    try await withLoop { loop in
      let sizes: [Int] = await loop.run { done in
        loop.connectPair { client, server in
          var sizes: [Int] = []
          client.send(String(repeating: "x", count: 100))
          server.readLimit = 10
          server.onRead = { chunk in
            sizes.append(chunk.count)
            server.pauseReading()
            if sizes.count == 3 { return done(sizes) }
            _ = loop.schedule(after: 1_000_000) {
              #expect(server.unreadBytes == 100 - 10 * sizes.count)
              server.resumeReading()
            }
          }
          server.resumeReading()
        }
      }
      #expect(sizes == [10, 10, 10])
    }
  }

  @Test func noCallbackFollowsACloseInACallback() async throws {
    try await withLoop { loop in
      await loop.run { done in
        loop.connectPair { client, server in
          server.readLimit = 1
          server.onEnd = { _ in Issue.record("closed") }
          server.onRead = { _ in
            server.close()
            server.close()
            server.resumeReading()
            #expect(server.send("dropped"))
            #expect(server.unreadBytes == 0)
            _ = loop.schedule(after: 1_000_000) { done(()) }
          }
          server.resumeReading()
          client.send("two bytes at least")
          client.finishWriting()
        }
      }
    }
  }

  @Test func writingContinuesAfterThePeersEnd() async throws {
    try await withLoop { loop in
      let text: String = await loop.run { done in
        loop.connectPair { client, server in
          server.onEnd = { error in
            #expect(error == nil)
            server.send("still here")
            server.finishWriting()
          }
          server.resumeReading()
          client.finishWriting()
          var text = ""
          client.onRead = { text += String(decoding: [UInt8]($0), as: UTF8.self) }
          client.onEnd = { _ in done(text) }
          client.resumeReading()
        }
      }
      #expect(text == "still here")
    }
  }

  @Test func anAdoptedPairCanEndOnlyItsOutput() async throws {
    try await withLoop { loop in
      await loop.run { done in
        let (upward, downward) = (makePipe(), makePipe())
        let stream = try! loop.adopt(reading: downward.input, writing: upward.output)
        let peer = try! loop.adopt(reading: upward.input, writing: downward.output)
        #expect(stream.peer == .inherited)
        // More than a pipe holds, so that the end must wait for the bytes.
        let total = 1 << 20
        var count = 0
        stream.write(.init(start: nil, count: 0), Chunk([UInt8](repeating: 1, count: total)))
        stream.finishWriting()
        peer.onRead = { count += $0.count }
        peer.onEnd = { error in
          #expect(error == nil)
          #expect(count == total)
          peer.send("x")
        }
        peer.resumeReading()
        stream.onRead = { _ in done(()) }
        stream.resumeReading()
      }
    }
  }

  /// If two streams have much to read, neither is read beyond its share of a turn.
  @Test func streamsWithMuchToReadShareATurn() async throws {
    let total = 1 << 20
    let pipes = [makePipe(), makePipe()]
    for pipe in pipes {
      // F_SETPIPE_SZ of fcntl(2), which Glibc does not export.
      try #require(fcntl(pipe.output, 1_031, Int32(total)) >= total)
      let zeros = [UInt8](repeating: 0, count: total)
      #expect(write(pipe.output, zeros, total) == total)
      Glibc.close(pipe.output)
    }
    try await withLoop { loop in
      let reads: [(Int, Int)] = await loop.run { done in
        var reads: [(stream: Int, count: Int)] = []
        var ended = 0
        for (number, pipe) in pipes.enumerated() {
          let back = makePipe()
          Glibc.close(back.input)
          let stream = try! loop.adopt(reading: pipe.input, writing: back.output)
          stream.onRead = { reads.append((number, $0.count)) }
          stream.onEnd = { error in
            #expect(error == nil)
            stream.close()
            ended += 1
            if ended == 2 { done(reads) }
          }
          stream.resumeReading()
        }
      }
      #expect(reads.reduce(0) { $0 + $1.1 } == 2 * total)
      var (last, run, turns) = (-1, 0, 0)
      for (stream, count) in reads {
        if stream != last { (run, turns) = (0, turns + 1) }
        (last, run) = (stream, run + count)
        #expect(run <= 256 << 10)
      }
      #expect(turns == 8)
    }
  }

  @Test func closingAnAdoptedStreamRestoresBlockingMode() async throws {
    let pipe = makePipe()
    let shared = dup(pipe.input)
    try await withLoop { loop in
      let during: Int32 = await loop.run { done in
        let stream = try! loop.adopt(reading: pipe.input, writing: pipe.output)
        let during = fcntl(shared, F_GETFL)
        stream.close()
        done(during)
      }
      #expect(during & O_NONBLOCK != 0)
      #expect(fcntl(shared, F_GETFL) & O_NONBLOCK == 0)
    }
    Glibc.close(shared)
  }

  @Test func adoptingAFileFails() async throws {
    try await withLoop { loop in
      let message: String = await loop.run { done in
        let file = open("/dev/null", O_RDWR)
        defer { Glibc.close(file) }
        let error = #expect(throws: TransportError.self) {
          try loop.adopt(reading: file, writing: file)
        }
        done(error?.message ?? "")
      }
      #expect(message.hasSuffix("not a pipe, a socket or a terminal"))
    }
  }

  @Test func adoptedStandardDescriptorsAreReplacedByDevNull() async {
    await #expect(processExitsWith: .success) {
      let (upward, downward) = (makePipe(), makePipe())
      dup2(downward.input, 0)
      dup2(upward.output, 1)
      Glibc.close(downward.input)
      Glibc.close(upward.output)
      try await withLoop { loop in
        await loop.run { done in
          let stream = try! loop.adopt(reading: 0, writing: 1)
          let peer = try! loop.adopt(reading: upward.input, writing: downward.output)
          var text = ""
          peer.onRead = { text += String(decoding: [UInt8]($0), as: UTF8.self) }
          peer.onEnd = { _ in done(()) }
          peer.resumeReading()
          stream.onRead = { stream.write(.init(start: nil, count: 0), $0) }
          stream.onEnd = { _ in
            stream.close()
            var (status, null) = (stat(), stat())
            fstat(1, &status)
            stat("/dev/null", &null)
            precondition(status.st_rdev == null.st_rdev)
          }
          stream.resumeReading()
          peer.send("through")
          peer.finishWriting()
        }
      }
    }
  }

  @Test func aTerminalCanBeAdopted() async throws {
    // TIOCSPTLCK and TIOCGPTN, ioctl_tty(2): unlock the terminal and read its number.
    let master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    var (locked, number): (Int32, Int32) = (0, -1)
    _ = ioctl(master, 0x4004_5431, &locked)
    _ = ioctl(master, 0x8004_5430, &number)
    let terminal = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
    try await withLoop { loop in
      let text: String = await loop.run { done in
        let stream = try! loop.adopt(reading: terminal, writing: terminal)
        stream.onRead = {
          stream.close()
          done(String(decoding: [UInt8]($0), as: UTF8.self))
        }
        stream.resumeReading()
        Glibc.write(master, "line\n", 5)
      }
      #expect(text == "line\n")
    }
    Glibc.close(master)
  }
}
