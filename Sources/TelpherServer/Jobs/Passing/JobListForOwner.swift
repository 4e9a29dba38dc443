internal import Logging
internal import TelpherAccess
internal import TelpherFileStore
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A request of the server's owner for the durable jobs of all identities. It asks the host of each
/// identity, one after another, until the answer is full. Use it only on its loop's thread.
final class JobListForOwner: StreamWork {
  private enum State {
    /// A worker looks for the hosts. Next: asking, over.
    case searching
    /// A host has this question. Next: asking, over.
    case asking(HostQuestion)
    /// The stream has ended. Final.
    case over
  }

  private let host: any JobHost
  private let stream: StreamID
  private weak var connection: ServerConnection?
  /// Where the list begins.
  private let last: IDOfIdentity?
  private var state = State.searching
  /// The identities whose hosts have not been asked; nil is the owner.
  private var waiting: ArraySlice<JobHostOfIdentity?> = []
  private var records: [CommandRecord] = []
  private var length = 0

  /// - Parameters:
  ///   - last: the id after which the list begins; nil for its beginning.
  ///   - host: the owner's job host.
  init(
    after last: String?, _ host: any JobHost, _ stream: StreamID, of connection: ServerConnection
  ) {
    self.last = last.map { IDOfIdentity($0) }
    self.host = host
    self.stream = stream
    self.connection = connection
  }

  /// Starts the request.
  ///
  /// - Throws: `FileError` (`busy`) if no thread can be started; then nothing has started.
  func begin(on workers: WorkerPool, _ loop: any EventLoop) throws(FileError) {
    let host = host
    nonisolated(unsafe) let list = self
    try workers.run {
      let others = host.hostsOfOthers()
      loop.execute { list.ask(others) }
    }
  }

  private func ask(_ others: [JobHostOfIdentity]) {
    guard case .searching = state else { return }
    let first = last?.identity
    waiting =
      ArraySlice(first == nil ? [nil] : [])
      + others.filter { $0.id >= first ?? "" }.sorted { $0.id < $1.id }
    askNext()
  }

  private func askNext() {
    guard let connection else {
      preconditionFailure("a connection ends its streams before it is released")
    }
    guard let identity = waiting.popFirst() else { return finish(more: false) }
    var request = CommandsRequest(.list, jobs: true)
    if let last, last.identity == identity?.id { request.after = last.id }
    var none = CloseResult(.ok)
    none.commands = []
    do throws(WireError) {
      let passage = connection.passage(to: identity?.host ?? host)
      let question = HostQuestion(
        try OpenRequest.commands(request).encoded(), through: passage, withoutHost: none
      ) { [unowned self] in receive($0, of: identity) }
      state = .asking(question)
      passage.open(question)
    } catch {
      preconditionFailure("the request is valid: \(error)")
    }
  }

  private func receive(_ result: CloseResult, of identity: JobHostOfIdentity?) {
    if result.result != .ok {
      // A host that does not answer does not hide the jobs of the others.
      connection?.server.log(
        "the jobs of an identity can't be listed",
        ["identity": "\(identity?.name ?? "owner")", "why": "\(result.message ?? "")"])
    }
    for var record in result.commands ?? [] {
      if let identity {
        record.id = IDOfIdentity(record.id, of: identity.id).text
        record.client += " of \(identity.name)"
      }
      // The byte more is the comma.
      length += record.encodedLength + 1
      guard length <= WireConstants.maxCommandListLength else { return finish(more: true) }
      records.append(record)
    }
    if result.more == true { finish(more: true) } else { askNext() }
  }

  private func finish(more: Bool) {
    state = .over
    var result = CloseResult(.ok)
    result.commands = records
    result.more = more ? true : nil
    connection?.workDidFinish(self, stream, .close(result))
  }

  // The client sends nothing on this stream.
  func receive(_ chunk: Chunk, on channel: Channel) {}
  func receiveEnd(of channel: Channel) {}
  func receive(_ messages: [ControlMessage]) throws(WireError) {}

  func streamDidEnd(_ reason: StreamEnd) {
    if case .asking(let question) = state { question.cancel() }
    state = .over
    connection?.workDidFinish(
      self, stream, .reset(.canceled, reason: "the stream has ended"))
  }
}

/// The id of a durable job as the server's owner sees it: for a job of another identity,
/// `IDENTITY/ID`, since two identities may use the same id.
struct IDOfIdentity {
  /// The id of the identity (`Identity.folderName`); nil for the owner.
  let identity: String?
  let id: String

  init(_ id: String, of identity: String) { (self.identity, self.id) = (identity, id) }

  init(_ text: String) {
    guard let slash = text.firstIndex(of: "/"), Identity.isFolderName(text[..<slash]) else {
      (identity, id) = (nil, text)
      return
    }
    (identity, id) = (String(text[..<slash]), String(text[text.index(after: slash)...]))
  }

  var text: String { (identity.map { "\($0)/" } ?? "") + id }
}
