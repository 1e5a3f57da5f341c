// What the webhook benchmark is compared with: takes a delivery, stores nothing, checks nothing, answers 202.
// Prints the port that it got on 127.0.0.1.
const http = require('http');

const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    Buffer.concat(parts);
    response.writeHead(202, { 'Content-Length': '0' });
    response.end();
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
