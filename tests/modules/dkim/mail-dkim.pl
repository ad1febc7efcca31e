#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
# Mail::DKIM for test-verify.py: signs and verifies many messages in one go.
#     mail-dkim.pl sign JOBS          a line of JOBS: IN OUT KEY SELECTOR DOMAIN METHOD IDENTITY HEADERS TIME EXPIRES, with tabs
#     mail-dkim.pl verify ZONE FILE...   a line a message: each signature's verdict, with blanks between
use strict;
use warnings;
use Mail::DKIM::Signature;
use Mail::DKIM::Signer;
use Mail::DKIM::Verifier;

sub slurp {
    my ($path) = @_;
    open(my $file, '<:raw', $path) or die "$path: $!";
    local $/;
    return scalar <$file>;
}

sub sign_one {
    my ($in, $out, $key, $selector, $domain, $method, $identity, $headers, $time, $expires) = @_;
    my $policy = sub {
        my $signer = shift;
        my $signature = Mail::DKIM::Signature->new(
            Algorithm => 'rsa-sha256', Method => $method, Headers => $signer->headers, Domain => $domain, Selector => $selector,
            ($identity ne '' ? (Identity => $identity) : ()), ($time ne '' ? (Timestamp => $time) : ()),
            ($expires ne '' ? (Expiration => $expires) : ()));
        $signer->add_signature($signature);
        return 0;
    };
    my $signer = Mail::DKIM::Signer->new(Policy => $policy, KeyFile => $key);
    if ($headers ne '') {
        my %wanted = map { lc($_) => '+' } split(/:/, $headers);
        $signer->extended_headers(\%wanted);
    }
    my $message = slurp($in);
    $signer->PRINT($message);
    $signer->CLOSE;
    open(my $file, '>:raw', $out) or die "$out: $!";
    print $file $signer->signature->as_string, "\r\n", $message;
    close($file);
}

my %zone;
{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query_async = sub {
        my ($name, $type, %options) = @_;
        my @records = map { Record->new($_) } @{ $zone{ lc $name } || [] };
        my $got = eval { $options{Callbacks}{Success}->(@records) };
        my $error = $@;
        return sub { die $error if $error; return $got };
    };
}

sub verify_one {
    my ($path) = @_;
    my $verifier = Mail::DKIM::Verifier->new(Strict => 1);
    $verifier->PRINT(slurp($path));
    $verifier->CLOSE;
    return join(' ', map { $_->result || 'none' } $verifier->signatures);
}

my $mode = shift @ARGV;
if ($mode eq 'sign') {
    for my $line (split(/\n/, slurp($ARGV[0]))) {
        my @words = split(/\t/, $line, -1);
        sign_one(@words);
    }
} else {
    for my $line (split(/\n/, slurp(shift @ARGV))) {
        my ($name, $type, $text) = split(/\t/, $line, 3);
        push(@{ $zone{ lc $name } }, $text) if $type eq 'TXT';
    }
    print verify_one($_), "\n" for @ARGV;
}

package Record;
sub new { my ($class, $text) = @_; return bless({ text => $text }, $class) }
sub type { return 'TXT' }
sub txtdata { return ($_[0]{text}) }
