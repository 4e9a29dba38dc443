internal import Glibc
internal import TelpherClassic
internal import TelpherTransport

/// The operator's side of a chat, on standard input and output.
struct ChatOperator {
  let socket: ChatSocket

  /// An event that the operator's loop handles.
  private enum Event: Sendable {
    case message(ChatMessage)
    case line(String)
    case end
    case failure(Failure)
  }

  /// Runs until the user types `quit`, or SIGINT or SIGTERM arrives. After the end of standard
  /// input it still prints messages.
  ///
  /// - Throws: `Failure`, `ClassicError` or `TransportError` if it cannot listen.
  func run(at address: ClassicAddress) async throws {
    guard case .datagrams(let address) = address else {
      throw Failure("'chat' cannot use \(address): use udp:HOST:PORT")
    }
    try Announcement.print(try await socket.listen(at: address))
    let (events, continuation) = AsyncStream.makeStream(of: Event.self)
    socket.loop.execute { [loop = socket.loop] in
      for number in [SIGINT, SIGTERM] {
        _ = try? loop.watch(signal: number) { continuation.yield(.end) }
      }
    }
    Task { for await message in socket.messages { continuation.yield(.message(message)) } }
    Task { await readLines(into: continuation) }
    var desk = ChatDesk()
    loop: for await event in events {
      switch event {
      case .message(let message):
        desk.receive(message)
        try Descriptor.output.print(message.shown(from: message.sender.hostAndPort))
      case .line(let line): try await reply(desk.reply(line))
      case .failure(let failure): throw failure
      case .end: break loop
      }
    }
    await socket.close()
  }

  private func readLines(into events: AsyncStream<Event>.Continuation) async {
    let prompt = Prompt()
    do {
      while let line = try await prompt.next() { events.yield(.line(line)) }
      if await !prompt.hasEnded { events.yield(.end) }
    } catch {
      events.yield(.failure(Failure(error)))
    }
  }

  private func reply(_ reply: ChatDesk.Reply) async throws {
    switch reply {
    case .refuse(let reason): Descriptor.complain(reason)
    case .send(let text, let friend):
      do { try await socket.send(text, to: friend) } catch {
        Descriptor.complain(Failure(error).message)
      }
    }
  }
}
