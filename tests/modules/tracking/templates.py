# SPDX-License-Identifier: GPL-3.0-or-later
"""Mails in the manner of the big mail builders: their habits of markup, written anew. Each function gives
the HTML of one mail as text."""

WORDS = ("Our spring collection is here, and with it the first light evenings. We picked ten pieces that "
         "we would wear ourselves, and one that we argue about.")
SHOP = "https://shop.example"


def rows(n, cell):
    return "\n".join(cell % {"n": i} for i in range(n))


def drag_and_drop():
    """As Stripo and BEE write them: nested tables, buttons twice, once for Outlook."""
    button = """<!--[if mso]><v:roundrect xmlns:v="urn:schemas-microsoft-com:vml" xmlns:w="urn:schemas-microsoft-com:office:word" esdevVmlButton href="https://shop.example/b/%(n)d?utm_source=mail&amp;utm_medium=button" style="height:41px; v-text-anchor:middle; width:180px" arcsize="50%%" stroke="f" fillcolor="#5c68e2"><w:anchorlock></w:anchorlock><center style='color:#fff'>Shop now</center></v:roundrect><![endif]--><!--[if !mso]><!-- --><span class="es-button-border msohide" style="border-radius:30px;background:#5C68E2"><a href="https://shop.example/b/%(n)d?utm_source=mail&amp;utm_medium=button" class="es-button" target="_blank" style="color:#FFFFFF;font-size:18px;padding:10px 20px">Shop now</a></span><!--<![endif]-->"""
    return """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html dir="ltr" xmlns="http://www.w3.org/1999/xhtml" xmlns:o="urn:schemas-microsoft-com:office:office" lang="en">
<head><meta charset="UTF-8"><meta content="width=device-width, initial-scale=1" name="viewport"><title>Spring</title>
<!--[if (mso 16)]><style type="text/css">a {text-decoration: none;}</style><![endif]-->
<!--[if gte mso 9]><noscript><xml><o:OfficeDocumentSettings><o:AllowPNG></o:AllowPNG><o:PixelsPerInch>96</o:PixelsPerInch></o:OfficeDocumentSettings></xml></noscript><![endif]-->
<style type="text/css">#outlook a { padding:0; } .es-button { mso-style-priority:100!important; }
@media only screen and (max-width:600px) { a[href^="https://shop.example"] { display:block } }</style></head>
<body class="body" style="width:100%;height:100%;padding:0;Margin:0"><div dir="ltr" class="es-wrapper-color" lang="en" style="background-color:#FAFAFA">
<!--[if gte mso 9]><v:background xmlns:v="urn:schemas-microsoft-com:vml" fill="t"><v:fill type="tile" color="#fafafa"></v:fill></v:background><![endif]-->
<table width="100%" cellspacing="0" cellpadding="0" role="none"><tr><td valign="top">
""" + rows(4, """<table cellpadding="0" cellspacing="0" align="center" role="none"><tr><td align="center" bgcolor="#ffffff" style="width:600px;padding:20px">
<h1 style="font-family:arial;font-size:30px">Piece %(n)d</h1><p style="font-family:arial;font-size:14px">""" + WORDS + """</p>
""" + button + """</td></tr></table>
""") + """</td></tr></table></div></body>
</html>
"""


def campaign():
    """As Mailchimp writes them: merge tags that were forgotten, tables in conditions, upper-case links."""
    return """<!doctype html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:v="urn:schemas-microsoft-com:vml"><head>
<!--[if gte mso 15]><xml><o:OfficeDocumentSettings><o:AllowPNG/></o:OfficeDocumentSettings></xml><![endif]-->
<meta charset="UTF-8"><title>*|MC:SUBJECT|*</title><style type="text/css">p{margin:10px 0}</style></head>
<body><!--*|IF:MC_PREVIEW_TEXT|*--><span class="mcnPreviewText" style="display:none; font-size:0px">*|MC_PREVIEW_TEXT|*</span><!--*|END:IF|*-->
<center><table align="center" border="0" width="100%" id="bodyTable"><tr><td align="center">
<!--[if (gte mso 9)|(IE)]><table align="center" border="0" width="600"><tr><td align="center" width="600"><![endif]-->
<p><a HREF="https://shop.example/?utm_source=Our+List&amp;utm_campaign=4f2&amp;mc_cid=77&amp;mc_eid=UNIQID" TARGET="_blank">View this email in your browser</a></p>
""" + rows(6, """<p><A href="https://shop.example/post/%(n)d?mc_cid=77&copy=%(n)d&amp;reg=a" title="Post &amp; more">Post %(n)d</A> """ + WORDS + """</p>
""") + """<p><a href="*|ARCHIVE|*">archive</a> <a href="https://lists.example/vcard?u=*|LIST:UID|*&amp;id=9">address book</a>
<a href="*|UNSUB|*">unsubscribe</a> <a href="mailto:hello@shop.example?subject=Hi%20there">write to us</a> <a href="tel:+4930123456">call us</a></p>
<!--[if (gte mso 9)|(IE)]></td></tr></table><![endif]--></td></tr></table></center></body></html>
"""


def marketing_cloud():
    """As Salesforce Marketing Cloud writes them: AMPscript, percent signs, links over several lines."""
    return """<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"><title></title></head>
<body bgcolor="#F0F0F0"><div style="font-size:0; line-height:0;"><custom name="opencounter" type="tracking"></div>
<table width="600" align="center"><tr><td>
<a
   href="https://shop.example/sale
         ?id=12&amp;k=a"
   conversion="true"
   alias="hero">Sale</a>
<a alias="view" href="%%view_email_url%%">view</a> <a href="https://shop.example/u?e=%%emailaddr%%">mine</a>
<a href='https://shop.example/%7Bid%7D/100%25?a=b%26c' alias='percent'>percent</a>
<a href="{{Recipient.Link}}">leftover</a> <a href="https://shop.example/x?i=[[ID]]">leftover</a>
<p>""" + WORDS + """</p></td></tr></table></body></html>
"""


def hub():
    """As HubSpot writes them: module comments, data attributes, a hidden preview text."""
    return """<!DOCTYPE html><html lang="en"><head><title>Update</title><meta name="x-apple-disable-message-reformatting">
<style type="text/css" id="hs-inline-css">.hse-size{max-width:100%}</style></head>
<body id="section--hubspot" bgcolor="#eaf0f6"><div id="preview_text" style="display:none!important">Update&#8199;&zwnj;&nbsp;</div>
<div class="hse-body-background" style="background-color:#eaf0f6">
""" + rows(5, """<!-- module %(n)d --><div id="hs_cos_wrapper_module_%(n)d" class="hs_cos_wrapper" data-hs-cos-general-type="widget"><p style="mso-line-height-rule:exactly"><a href="https://www.hub.example/e3t/%(n)d?hsenc=p2ANqtz--&amp;hsmi=%(n)d" data-hs-link-id="%(n)d" target="_blank" rel="noopener">Read &#8470; %(n)d</a> """ + WORDS + """</p></div>
""") + """<table><tr><td><a href='https://www.hub.example/?q=it%27s&#x26;r=1#top' data-no-track="true">not tracked</a>
<a data-no-track href=https://www.hub.example/private>not tracked either</a></td></tr></table></div></body></html>
"""


def flows():
    """As Klaviyo writes them: everything in one column, images as links, spaces in URLs."""
    return """<!DOCTYPE html><html><head><meta charset="utf-8"><style>@font-face{font-family:'X';src:url(https://fonts.example/x.woff2)}</style></head>
<body style="margin:0"><div class="kl-row">
""" + rows(5, """<div class="kl-column"><a href="https://shop.example/products/a b %(n)d?_kx={{ person.id }}"><img src="https://img.example/%(n)d.png" width="100" alt="Product %(n)d"></a>
<a href=" https://shop.example/products/the%(n)d thing?variant=1&amp;size=M L "><img src="https://img.example/%(n)db.png" width="100" height="40" alt=""></a></div>
""") + """<p>""" + WORDS + """ <a href="https://shop.example/">https://shop.example/</a></p>
<p><a href="https://manage.klaviyo.example/unsubscribe?a=1" style="color:#999">Unsubscribe</a></p></div></body></html>
"""


def word():
    """As Outlook and Word write them: o:p everywhere, conditions, a body without an end of paragraph."""
    return """<html xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" xmlns:w="urn:schemas-microsoft-com:office:word" xmlns:m="http://schemas.microsoft.com/office/2004/12/omml" xmlns="http://www.w3.org/TR/REC-html40">
<head><META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=windows-1252"><meta name=Generator content="Microsoft Word 15 (filtered medium)">
<!--[if !mso]><style>v\\:* {behavior:url(#default#VML);}
o\\:* {behavior:url(#default#VML);}</style><![endif]--><style><!--
/* Font Definitions */
@font-face {font-family:"Cambria Math"; panose-1:2 4 5 3 5 4 6 3 2 4;}
p.MsoNormal, li.MsoNormal {margin:0cm; font-size:11.0pt; font-family:"Calibri",sans-serif;}
a:link, span.MsoHyperlink {mso-style-priority:99; color:#0563C1; text-decoration:underline;}
--></style><!--[if gte mso 9]><xml><o:shapedefaults v:ext="edit" spidmax="1026" /></xml><![endif]--></head>
<body lang=DE link="#0563C1" vlink="#954F72" style='word-wrap:break-word'><div class=WordSection1>
<p class=MsoNormal>Sch\u00f6ne Gr\u00fc\u00dfe aus K\u00f6ln<o:p></o:p></p><p class=MsoNormal><o:p>&nbsp;</o:p></p>
""" + rows(4, """<p class=MsoNormal><span lang=EN-US><a href="https://intranet.example/sites/it/Freigegebene%%20Dokumente/%(n)d.docx?web=1&amp;e=q">Dokument \u201e%(n)d\u201c</a> und <a href=https://intranet.example/%(n)d/>https://intranet.example/%(n)d/</a>, \u20ac 4,50<o:p></o:p></span></p>
""") + """<p class=MsoNormal><a href="cid:image001.png@01D9.1">Bild</a> <a href="file:///C:/x.docx">Datei</a> <a href="#_Toc1">oben</a><o:p></o:p></p>
<!--[if gte vml 1]><v:shape id="Bild_1" href="https://intranet.example/shape" style='width:10pt;height:10pt'><v:imagedata src="cid:image001.png@01D9.1"/></v:shape><![endif]--><![if !vml]><a href="https://intranet.example/shape"><img border=0 width=20 height=20 src="cid:image001.png@01D9.1"></a><![endif]>
</div></body></html>
"""


def gmail():
    """As composed in Gmail: no html, no body."""
    return """<div dir="ltr"><div>Hi Bob,</div><div><br></div><div>look at <a href="https://maps.example/@52.52,13.405,12z?hl=de">this place</a> and at <a href="https://shop.example/p">https://shop.example/p</a>.<br clear="all"></div>
<div><br></div>-- <br><div dir="ltr" class="gmail_signature" data-smartmail="gmail_signature"><div dir="ltr">Ann<br><a href="tel:+49%2030%20123" target="_blank">+49 30 123</a></div></div></div>
<br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Mon, Carl &lt;<a href="mailto:carl@two.example">carl@two.example</a>&gt; wrote:<br></div><blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex">see http://plain.example/text and <a href="http://two.example/q?a=1&amp;b=2" target="_blank">two</a></blockquote></div>
"""


def apple():
    """As Apple Mail writes them: overridden styles, one class, a body that starts in the head's line."""
    return """<html><head><meta http-equiv="content-type" content="text/html; charset=utf-8"></head><body style="overflow-wrap: break-word; -webkit-nbsp-mode: space; line-break: after-white-space;"><div>D\u00e9j\u00e0 vu?&nbsp;<a href="https://caf\u00e9.example/men\u00fc?q=cr\u00e8me#br\u00fbl\u00e9e">Caf\u00e9</a></div><div><br></div><div><a href="sms:+491701234567">text me</a>, <a href="http://xn--caf-dma.example/">again</a></div><br class="Apple-interchange-newline"><div><blockquote type="cite"><div>Am 3. M\u00e4rz:</div><a href="https://b\u00fccher.example/gr\u00fcn#gr\u00fcn">gr\u00fcn</a></blockquote></div></body></html>
"""


def shop():
    """As WooCommerce writes them: an order, all styles inline, prices with entities."""
    return """<!DOCTYPE html>
<html lang="en-US"><head><meta http-equiv="Content-Type" content="text/html; charset=UTF-8" /><title>Woo</title></head>
<body marginwidth="0" topmargin="0" marginheight="0" offset="0" style='background-color: #f7f7f7; padding: 0; text-align: center;' bgcolor="#f7f7f7">
<table width="100%" id="outer_wrapper"><tr><td width="600"><div id="wrapper" dir="ltr"><h1 style='font-family: "Helvetica Neue",Arial; font-size: 30px;'>Thank you for your order</h1>
<p>Hi Bob, pay for order &#35;4711: <a href="https://shop.example/checkout/order-pay/4711/?pay_for_order=true&#038;key=wc_order_x1" style="color: #96588a;">Pay for this order</a></p>
<h2><a class='link' href='https://shop.example/my-account/view-order/4711/?a=&quot;b&quot;&#38;c=&apos;d' style="color:#96588a">[Order #4711]</a> (<time datetime="2026-11-28">28 November 2026</time>)</h2>
<table cellspacing="0" cellpadding="6" border="1" width="100%"><thead><tr><th scope="col">Product</th><th scope="col">Price</th></tr></thead><tbody>
""" + rows(6, """<tr class="order_item"><td><a href="https://shop.example/?product=%(n)d&not=1&para=2&times=3">Item %(n)d</a></td><td><span class="amount"><bdi><span>&#36;</span>%(n)d.00</bdi></span></td></tr>
""") + """</tbody></table><p>Reset: <a class="link" href="https://shop.example/my-account/lost-password/?key=Zx-_~.9&amp;id=7&amp;login=ann%40sender.test">Click here to reset your password</a></p></div></td></tr></table></body></html>
"""


def automation():
    """As Mautic writes them: tokens, slots, and an own pixel at the end."""
    return """<!DOCTYPE html><html><head><title>{subject}</title><meta charset="utf-8"></head><body>
<div data-section-wrapper="1"><center><table data-section="1" style="width: 600px;"><tbody><tr><td><div data-slot-container="1"><div data-slot="text">
<p>Hello {contactfield=firstname}, <a href="https://mautic.example/r/1?ct=YTo1OntzOjY6InNvdXJjZSI7&amp;x=%7Bcontactfield%3Demail%7D">open</a></p>
<p><a href="http://mautic.example/gr&uuml;n?a=1#gr&uuml;n">gr&uuml;n</a> <a href="https://m&uuml;ller.example/">M&uuml;ller</a> <a href="{webview_url}">web</a> <a href="/relative/path">relative</a> <a href="?q=1">query</a></p>
</div></div></td></tr></tbody></table></center></div><img height="1" width="1" src="https://mautic.example/email/5f.gif" alt="" /></body></html>
"""


def grid():
    """As Foundation and MJML write them: ghost tables between conditions, spacers, a menu and a map."""
    return """<!doctype html><html xmlns="http://www.w3.org/1999/xhtml"><head><title></title><!--[if !mso]><!--><meta http-equiv="X-UA-Compatible" content="IE=edge"><!--<![endif]-->
<style type="text/css">#outlook a{padding:0;}.mj-outlook-group-fix{width:100%!important}</style><!--[if lte mso 11]><style type="text/css">.o{width:100%!important;}</style><![endif]--></head>
<body style="word-spacing:normal;"><div>
<!--[if mso | IE]><table align="center" border="0" cellpadding="0" cellspacing="0" style="width:600px;" width="600"><tr><td style="line-height:0px;font-size:0px;"><v:rect style="width:600px;" xmlns:v="urn:schemas-microsoft-com:vml" href="https://grid.example/bg?a=1&amp;b=2" fill="true" stroke="false"><v:fill src="https://img.example/bg.png" type="frame"/><v:textbox inset="0,0,0,0"><![endif]-->
<div style="margin:0px auto;max-width:600px;"><table align="center" role="presentation" style="width:100%;"><tbody><tr><td>
<table role="presentation" class="menu"><tr>""" + rows(4, """<th class="menu-item float-center"><a href="https://grid.example/menu/%(n)d">Menu %(n)d</a></th>""") + """</tr></table>
<p style="font-size:16px"><a href="//cdn.example/protocol/relative">cdn</a> """ + WORDS + """</p>
<map name="m"><area shape="rect" coords="0,0,10,10" href="https://grid.example/area/1?x=1&amp;y=2" alt="one"><AREA SHAPE=rect COORDS=10,0,20,10 HREF=https://grid.example/area/2 ALT=two></map><img usemap="#m" src="https://img.example/map.png" width="20" height="10" alt="map">
</td></tr></tbody></table></div><!--[if mso | IE]></v:textbox></v:rect></td></tr></table><![endif]--></div></body></html>
"""


def cells():
    """As transactional services write them: minified to lines that SMTP can carry."""
    return ("<!DOCTYPE html><html><head><meta charset=utf-8><title>Receipt</title></head><body><table>\n" +
            rows(8, "<tr><td><a href=https://pay.example/i/%(n)d?t=a&amp;u=b target=_blank>Invoice %(n)d</a><td><a href='https://pay.example/pdf/%(n)d#page=2'>PDF</a>") +
            "</table><p>" + WORDS + "</body></html>")


ALL = [drag_and_drop, campaign, marketing_cloud, hub, flows, word, gmail, apple, shop, automation, grid, cells]
