/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The command line of relais-load; a mistake ends the program with 2 and the usage.
 */
#include "config.h"

#include "load.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: relais-load [--connect ADDRESS:PORT] [--listen ADDRESS:PORT] [options]\n"
    "  --connect A:P         inject there; without it, only the sink runs\n"
    "  --listen A:P          the sink; without it, only the injector runs\n"
    "  --connections N       at once (200)\n"
    "  --messages N          in all (20000)\n"
    "  --size BYTES          of the body (4096)\n"
    "  --recipients N        of each message (1)\n"
    "  --per-connection N    messages on one connection, 0: no limit (100)\n"
    "  --from ADDRESS        sender (load@sender.test)\n"
    "  --rate N              messages a second, timed from when each was due (0: all it takes)\n"
    "  --bulk N              the first N messages are bulk, sent before the rest and not paced;\n"
    "                        their deliveries are not waited for (0)\n"
    "  --tls                 STARTTLS first\n"
    "  --auth USER:PASSWORD  AUTH PLAIN first\n"
    "  --html                the body is HTML, with\n"
    "  --links N             links (40)\n"
    "  --requests N          no messages: N GETs by HTTP, one at a time on each connection;\n"
    "                        SIGTERM ends them early\n"
    "  --paths FILE          their paths, a line each, in turn\n"
    "  --host NAME           whom they are for (track.sender.test)\n"
    "  --idle N              no messages: open N connections, say \"idle N of N\", hold them\n"
    "                        until SIGTERM\n"
    "  --fail PERCENT        the sink answers 450 to so many recipients of 100 (0)\n"
    "  --slow MS             the sink takes so long for its answer to a message (0)\n"
    "  --log FILE            a line for each message: number, and nanoseconds of its start,\n"
    "                        acceptance and last first receipt, 0 for never\n"
    "  --domain NAME         of the recipients (rcpt.test)\n"
    "  --domains N           spread over d0.NAME to dN-1.NAME (1: NAME itself)\n"
    "  --timeout SECONDS     give up when nothing moved for so long (30)\n"
    "  --json                figures as JSON\n";

static void
fail_usage (const char *what)
{
    fprintf (stderr, "relais-load: %s\n%s", what, usage);
    exit (2);
}

static void
parse_endpoint (const char *text, struct sockaddr_in *endpoint)
{
    char address[64];
    const char *colon = strrchr (text, ':');
    char *end = NULL;
    long port = colon != NULL ? strtol (colon + 1, &end, 10) : 0;

    if (port < 1 || port > 65535 || *end != '\0' || (size_t)(colon - text) >= sizeof address)
        fail_usage ("not ADDRESS:PORT");
    memcpy (address, text, (size_t)(colon - text));
    address[colon - text] = '\0';
    *endpoint = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons ((uint16_t)port)};
    if (inet_pton (AF_INET, address, &endpoint->sin_addr) != 1)
        fail_usage ("not an IPv4 address");
}

static long
parse_number (const char *text, long min, long max)
{
    char *end;
    long value = strtol (text, &end, 10);

    if (*text == '\0' || *end != '\0' || value < min || value > max)
        fail_usage ("a number is out of range");
    return value;
}

/* USER:PASSWORD as the argument of AUTH PLAIN; lives as long as the program. */
static const char *
make_auth (const char *text)
{
    static char encoded[700];
    unsigned char plain[500] = {0};
    const char *colon = strchr (text, ':');
    const size_t size = strlen (text);

    if (colon == NULL || size + 1 > sizeof plain)
        fail_usage ("not USER:PASSWORD");
    memcpy (plain + 1, text, size);
    plain[1 + (colon - text)] = '\0';
    EVP_EncodeBlock ((unsigned char *)encoded, plain, (int)size + 1);
    return encoded;
}

static void
check_options (const Load *load)
{
    if (!load->inject && !load->sink)
        fail_usage ("say --connect, --listen or both");
    if (load->idle > 0 && (!load->inject || load->sink))
        fail_usage ("--idle goes with --connect alone");
    if (load->http && (!load->inject || load->sink || load->idle > 0 || load->paths == NULL))
        fail_usage ("--requests goes with --connect and --paths");
    if (load->html && load->size < LOAD_HTML_BYTES + load->links * LOAD_LINK_BYTES)
        fail_usage ("--size is too little for so many links");
    if (load->bulk > load->messages)
        fail_usage ("--bulk is more than --messages");
    if (strlen (load->sender) > 254 || strlen (load->domain) > 200 || strlen (load->host) > 200)
        fail_usage ("a name is too long");
}

void
load_options_parse (Load *load, int argc, char **argv)
{
    static const struct option options[] = {
        {"connect", 1, NULL, 'c'},        {"listen", 1, NULL, 'l'},   {"connections", 1, NULL, 'n'},
        {"messages", 1, NULL, 'm'},       {"size", 1, NULL, 's'},     {"recipients", 1, NULL, 'r'},
        {"per-connection", 1, NULL, 'p'}, {"from", 1, NULL, 'f'},     {"domain", 1, NULL, 'd'},
        {"domains", 1, NULL, 'D'},        {"timeout", 1, NULL, 't'},  {"json", 0, NULL, 'j'},
        {"rate", 1, NULL, 'R'},           {"bulk", 1, NULL, 'b'},     {"tls", 0, NULL, 'T'},
        {"auth", 1, NULL, 'a'},           {"idle", 1, NULL, 'i'},     {"fail", 1, NULL, 'F'},
        {"slow", 1, NULL, 'S'},           {"log", 1, NULL, 'L'},      {"html", 0, NULL, 'H'},
        {"links", 1, NULL, 'k'},          {"requests", 1, NULL, 'q'}, {"paths", 1, NULL, 'P'},
        {"host", 1, NULL, 'o'},           {"help", 0, NULL, 'h'},     {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long (argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'c':
            parse_endpoint (optarg, &load->target);
            load->inject = true;
            break;
        case 'l':
            parse_endpoint (optarg, &load->listen);
            load->sink = true;
            break;
        case 'n': load->connections = parse_number (optarg, 1, 50000); break;
        case 'm': load->messages = parse_number (optarg, 1, 100000000); break;
        case 's': load->size = parse_number (optarg, 0, 1L << 30); break;
        case 'r': load->recipients = parse_number (optarg, 1, LOAD_MAX_RECIPIENTS); break;
        case 'p': load->per_connection = parse_number (optarg, 0, 100000000); break;
        case 'f': load->sender = optarg; break;
        case 'd': load->domain = optarg; break;
        case 'D': load->domains = parse_number (optarg, 1, 1000000); break;
        case 't': load->timeout_s = parse_number (optarg, 1, 86400); break;
        case 'R': load->rate = parse_number (optarg, 0, 1000000); break;
        case 'b': load->bulk = parse_number (optarg, 0, 100000000); break;
        case 'T': load->tls = true; break;
        case 'a': load->auth = make_auth (optarg); break;
        case 'i': load->idle = parse_number (optarg, 1, 50000); break;
        case 'F': load->fail = parse_number (optarg, 0, 100); break;
        case 'S': load->slow_ms = parse_number (optarg, 0, 600000); break;
        case 'L': load->log = optarg; break;
        case 'H': load->html = true; break;
        case 'k': load->links = parse_number (optarg, 0, 10000); break;
        case 'q':
            load->messages = parse_number (optarg, 1, 100000000);
            load->http = true;
            break;
        case 'P': load->paths = optarg; break;
        case 'o': load->host = optarg; break;
        case 'j': load->json = true; break;
        case 'h': fputs (usage, stdout); exit (0);
        default: fail_usage ("unknown option");
        }
    if (optind < argc)
        fail_usage ("what stands behind the options is not known");
    check_options (load);
}
