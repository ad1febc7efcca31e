// SPDX-License-Identifier: GPL-3.0-or-later
// Mails out of packages of mail builders: prints a JSON object, name to HTML. Run with the folder that
// has node_modules as its argument.
"use strict";
const fs = require("fs");
const path = require("path");
const home = path.resolve(process.argv[2]);
const load = require("module").createRequire(path.join(home, "package.json"));
const mails = {};

// foundation-emails ships finished templates, whose links a sender fills in, and whose style he puts in.
function foundation() {
    const root = path.join(home, "node_modules/foundation-emails");
    const css = fs.readFileSync(path.join(root, "dist/foundation-emails.css"), "utf8");
    const templates = path.join(root, ".download/templates");
    for (const file of fs.readdirSync(templates).sort()) {
        let n = 0;
        mails["foundation-" + file.replace(".html", "")] = fs.readFileSync(path.join(templates, file), "utf8")
            .replace(/<link rel="stylesheet"[^>]*>/, () => "<style>" + css + "</style>")
            .replace(/href="#"/g, () => `href="https://foundation.example/${file}/${++n}?utm_source=mail&amp;n=${n}"`);
    }
}

function mailgen() {
    const Mailgen = load("mailgen");
    const body = {
        name: "Bob", intro: "Welcome to the shop.", outro: "Questions? Answer this mail.",
        action: { instructions: "To go on, please click here:", button: { color: "#22BC66", text: "Confirm", link: "https://mailgen.example/confirm?s=d9729feb74992cc3482b350163a1a010&id=7" } },
        table: { data: [{ item: "One", price: "$ 1" }, { item: "Two", price: "$ 2" }] },
        goToAction: { text: "Go", link: "https://mailgen.example/go?a=1&b=2", description: "View it" },
    };
    for (const theme of ["default", "neopolitan", "salted", "cerberus"]) {
        const generator = new Mailgen({ theme, product: { name: "Shop", link: "https://mailgen.example/?p=1&q=2", copyright: "2026" } });
        mails["mailgen-" + theme] = generator.generate({ body });
    }
}

const MJML = {
    "mjml-simple": `<mjml><mj-body><mj-section><mj-column><mj-text>Hello <a href="https://mjml.example/t?a=1&amp;b=2">world</a></mj-text>
<mj-button href="https://mjml.example/b?a=1&amp;b=2">Go</mj-button><mj-image src="https://img.example/i.png" width="100px" href="https://mjml.example/i"/></mj-column></mj-section></mj-body></mjml>`,
    "mjml-hero": `<mjml><mj-head><mj-title>Hero</mj-title><mj-preview>Preview</mj-preview><mj-style>a { color: #123456 }</mj-style></mj-head><mj-body background-color="#eee">
<mj-hero mode="fixed-height" height="200px" background-url="https://img.example/h.png" background-color="#2a3448"><mj-text color="white">Big</mj-text><mj-button href="https://mjml.example/hero">Order</mj-button></mj-hero>
<mj-wrapper padding="10px"><mj-section background-url="https://img.example/b.png"><mj-group><mj-column><mj-text>l</mj-text></mj-column><mj-column><mj-text><a href='https://mjml.example/r'>r</a></mj-text></mj-column></mj-group></mj-section></mj-wrapper></mj-body></mjml>`,
    "mjml-social": `<mjml><mj-body><mj-section><mj-column><mj-social mode="horizontal"><mj-social-element name="facebook" href="https://mjml.example/fb">fb</mj-social-element>
<mj-social-element name="twitter-noshare" href="https://mjml.example/tw">tw</mj-social-element></mj-social><mj-divider/><mj-spacer height="9px"/></mj-column></mj-section>
<mj-section><mj-column><mj-navbar base-url="https://mjml.example" hamburger="hamburger"><mj-navbar-link href="/one">one</mj-navbar-link><mj-navbar-link href="/two">two</mj-navbar-link></mj-navbar></mj-column></mj-section></mj-body></mjml>`,
    "mjml-table": `<mjml><mj-body><mj-section><mj-column><mj-table><tr><td><a href="https://mjml.example/1">1</a></td><td>x &amp; y</td></tr></mj-table>
<mj-accordion><mj-accordion-element><mj-accordion-title>Why?</mj-accordion-title><mj-accordion-text><a href="https://mjml.example/why">because</a></mj-accordion-text></mj-accordion-element></mj-accordion>
<mj-raw><a href=https://mjml.example/raw>raw</a></mj-raw></mj-column></mj-section></mj-body></mjml>`,
    "mjml-carousel": `<mjml><mj-body><mj-section><mj-column><mj-carousel><mj-carousel-image src="https://img.example/1.png" href="https://mjml.example/c1"/><mj-carousel-image src="https://img.example/2.png" href="https://mjml.example/c2"/></mj-carousel></mj-column></mj-section></mj-body></mjml>`,
};

function mjml() {
    globalThis.window = globalThis;  // it was built for a browser
    const convert = load("mjml-browser");
    for (const [name, source] of Object.entries(MJML))
        mails[name] = (convert.default || convert)(source).html;
}

function react() {
    const { createElement: e } = load("react");
    const { renderToStaticMarkup } = load("react-dom/server");
    const of = (name) => Object.values(load("@react-email/" + name)).find((x) => typeof x === "object" || typeof x === "function");
    const [Html, Head, Body, Container, Section, Row, Column, Text, Link, Button, Hr, Preview, Heading] =
        ["html", "head", "body", "container", "section", "row", "column", "text", "link", "button", "hr", "preview", "heading"].map(of);
    const write = (name, ...children) => {
        const tree = e(Html, { lang: "en" }, e(Head), e(Preview, null, "A preview"), e(Body, { style: { background: "#fff" } }, e(Container, null, ...children)));
        mails["react-" + name] = '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">' + renderToStaticMarkup(tree);
    };
    write("welcome", e(Heading, { as: "h1" }, "Welcome"), e(Text, null, "Hello, ", e(Link, { href: "https://react.example/?a=1&b=2" }, "look"), "."),
        e(Button, { href: "https://react.example/start?x='1'&y=\"2\"", style: { padding: "12px 20px", background: "#000", color: "#fff" } }, "Start"));
    write("receipt", e(Section, null, e(Row, null, e(Column, null, e(Text, null, "One")), e(Column, null, e(Link, { href: "https://react.example/item/1#x" }, "1 €")))),
        e(Hr), e(Text, null, e(Link, { href: "mailto:help@react.example" }, "help")));
    write("digest", ...[1, 2, 3, 4].map((n) => e(Section, { key: n }, e(Text, null, "Item " + n), e(Link, { href: `https://react.example/d/${n}?q=é&n=${n}` }, "read"))));
}

for (const make of [foundation, mailgen, mjml, react])
    make();
process.stdout.write(JSON.stringify(mails));
