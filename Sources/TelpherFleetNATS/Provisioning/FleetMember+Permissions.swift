internal import TelpherFleet
internal import TelpherNATS

extension FleetMember {
  /// What the member may reach in the account with the streams, by its subjects there; nil for
  /// everything.
  var services: [String]? {
    let records = ["$JS.API.STREAM.MSG.GET.TR", "$JS.API.DIRECT.GET.TR"]
    let workers = ["$JS.API.DIRECT.GET.KV_TJ_WORKERS"]
    // They reveal only that the fleet exists, and the broker's time.
    let streams = ["TJ", "TR", "KV_TJ_WORKERS"].map { "$JS.API.STREAM.INFO.\($0)" }
    switch role {
    case .administrator: return nil
    case .submitter:
      return ["tj.job.>", "tj.w.*.rpc", FleetSubjects.records(.cancel).text] + records + workers
        + streams
        + [
          "$JS.API.STREAM.MSG.GET.TJ", "$JS.API.DIRECT.GET.TJ", "$JS.API.STREAM.MSG.DELETE.TJ",
          "$JS.API.CONSUMER.LIST.TJ", "$JS.API.CONSUMER.INFO.TJ.*",
        ]
    case .worker(let groups):
      let queues = ([.worker(name)] + groups.map(QueueName.group)).flatMap { queue in
        let consumer = FleetSubjects.consumer(queue)
        return [
          "$JS.API.CONSUMER.MSG.NEXT.TJ.\(consumer)", "$JS.API.CONSUMER.INFO.TJ.\(consumer)",
          "$JS.ACK.TJ.\(consumer).>",
        ]
          + [RecordName.Kind.claim, .result, .dead].map {
            "tj.\(FleetSubjects.word($0)).\(FleetSubjects.parts(queue)).*"
          }
      }
      return queues + records + workers + streams + ["$KV.TJ_WORKERS.\(name)"]
    }
  }

  /// The name that a subject of the account with the streams has for members.
  static func memberName(_ subject: String) -> String {
    let usual = "$JS.API."
    guard subject.hasPrefix(usual) else { return subject }
    return "\(FleetSubjects.memberAPI).\(subject.dropFirst(usual.count))"
  }

  /// The subjects that the member may publish to; nil for all.
  var publishes: [String]? { services?.map(Self.memberName) }

  /// The messages that the member gets from the account with the streams.
  var events: [String] {
    switch role {
    case .administrator, .worker: []
    case .submitter: [.result, .cancel].map { FleetSubjects.announcements($0).text }
    }
  }

  /// The subject of the calls that the member answers; nil if it answers none.
  var calls: String? {
    switch role {
    case .administrator, .submitter: nil
    case .worker: FleetSubjects.calls(name).text
    }
  }

  /// The subjects that the member may subscribe to; nil for all.
  var subscribes: [String]? {
    guard role != .administrator else { return nil }
    return ["\(Self.inbox(name)).>"] + events + [calls].compactMap(\.self)
  }

  /// The member as an entry of nats-server's list of users.
  var user: String {
    guard let publishes, let subscribes else { return "{ nkey: \(publicKey) }" }
    func list(_ subjects: [String]) -> String {
      subjects.map { "\"\($0)\"" }.joined(separator: ", ")
    }
    // Answers to calls go to the caller's own subject, which only the call names.
    let answers = calls == nil ? "" : ", allow_responses: { max: 1, expires: \"1m\" }"
    return """
      { nkey: \(publicKey), permissions: { \
      publish: { allow: [\(list(publishes))] }, subscribe: { allow: [\(list(subscribes))] }\(answers) } }
      """
  }
}
