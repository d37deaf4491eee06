"""A connection that breaks between a message and its acknowledgement: the one case in which a window comes twice."""


def test_a_window_without_acknowledgement_stays_owed_and_comes_again_with_the_same_bytes(
    wire, mosquitto, listen, make_publisher, until, put
):
    mosquitto.start()
    wire.deaf = True
    listener = listen(mosquitto.port)
    publisher, outbox = make_publisher(port=wire.port, epoch="00c0ffee")
    publisher.start()
    put(publisher)
    until(lambda: listener.ids() == ["door/00c0ffee/1"])
    assert outbox.delivery().waiting == 1
    wire.pull()
    wire.deaf = False
    wire.plug()
    until(lambda: outbox.delivery().waiting == 0, 20)
    until(lambda: listener.ids() == ["door/00c0ffee/1"] * 2)
    assert publisher.delivery().reconnects == 1
    first, second = [message.payload for message in listener.messages if message.topic.endswith("/window")]
    assert first == second
