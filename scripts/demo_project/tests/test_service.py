import configparser
import unittest


class ServiceTest(unittest.TestCase):
    def test_version_is_built(self):
        import version

        self.assertEqual(version.VERSION, "1.0")

    def test_greeting_is_declared(self):
        config = configparser.ConfigParser()
        config.read("service.conf")
        self.assertTrue(config["service"]["greeting"])
